import assert from 'node:assert/strict'
import test from 'node:test'
import { durationSeconds } from '@alcove/contract'
import { foldIdle, foldTtl } from './fold-times.ts'
import { parsePing, parseTemporary, parseTtl } from './parse-lifecycle.ts'
import { parseCreate } from './parse-workspace.ts'

class Refused extends Error {}
const refuse = (field: string): never => {
  throw new Refused(field)
}

test('a duration is folded to what means the same, digits being seconds', () => {
  for (const [given, stored, seconds] of [
    ['5m', '5m', 300],
    ['30d', '30d', 2_592_000],
    ['3600', '3600s', 3_600],
    [3600, '3600s', 3_600],
    ['1s', '1s', 1],
    ['3650d', '3650d', 315_360_000],
    [315_360_000, '315360000s', 315_360_000],
  ] as const) {
    assert.equal(foldTtl(given, 'ttl', refuse), stored)
    assert.equal(durationSeconds(stored), seconds)
  }
})

test('a time to live of nothing, or of more than ten years, is refused', () => {
  for (const ttl of ['0', '0s', '0d', 0, 315_360_001, '3651d', '9999999999d']) assert.throws(() => foldTtl(ttl, 'ttl', refuse), Refused, String(ttl))
})

/** What no request may give; also what JSON makes of it. */
const silly = [0, -1, '-1', '-5m', 2 ** 31, 2 ** 53, 1e300, 0.5, '', ' 5m', '5 m', '5M', '5w', '1e3', '0x10', '٣', 'forever', true, false, [], ['5m'], {}]

test('a silly time to live is a validation error, wherever it is given', () => {
  for (const ttl of silly) {
    const words = JSON.stringify(ttl)
    assert.throws(() => parseTtl({ ttl }), { code: 'validation_error' }, words)
    assert.throws(() => parseTemporary({ ttl }), { code: 'validation_error' }, words)
    assert.throws(() => parseCreate({ image: 'busybox', config: { ttl } }), { code: 'INVALID_CONFIG' }, words)
  }
  for (const ttl_seconds of [...silly, null, '5m', '60'])
    assert.throws(() => parsePing({ ttl_seconds }), { code: 'validation_error' }, JSON.stringify(ttl_seconds))
})

test('null takes a time to live away, where that is possible', () => {
  assert.equal(parseTtl({ ttl: null }).ttl, null)
  assert.equal(parseTemporary({ ttl: null }).ttl, null)
  assert.deepEqual(parseTtl({}), {})
})

test('idle policies have their bounds; 0 is never', () => {
  assert.equal(foldIdle({ suspend_after: 0 }, 'idle', refuse), null)
  assert.deepEqual(foldIdle({ suspend_after: '2m', stop_after: '1h' }, 'idle', refuse), { suspend_after: 120, stop_after: 3_600 })
  for (const [suspend_after, stop_after] of [
    [119, 0],
    [120, 3_599],
    ['366d', 0],
  ] as const) {
    assert.throws(() => foldIdle({ suspend_after, stop_after }, 'idle', refuse), Refused)
  }
})
