import assert from 'node:assert/strict'
import test from 'node:test'
import { collectEnv, collectMetadata, parseCount, parseDuration, parseDurationOr, parseSeconds, parseSize } from './parse.ts'

test('sizes are read in MiB and GiB', () => {
  const sizes = { '512': 512, '512m': 512, '512MB': 512, '2g': 2048, '2GiB': 2048, '1.5g': 1536, '0.5G': 512, '1t': 1_048_576 }
  for (const [text, mib] of Object.entries(sizes)) assert.equal(parseSize(text), mib, text)
  for (const text of ['', 'g', '-1', '1.5', '1k', '2 gigs', '0x10', '1e3', '99999999999999999999g']) assert.throws(() => parseSize(text), /MiB/, text)
})

test('counts are whole numbers', () => {
  assert.equal(parseCount('0'), 0)
  for (const text of ['', '-1', '1.5', '1e3', 'two', '9'.repeat(16)]) assert.throws(() => parseCount(text), /whole/, text)
})

test('environment variables are split at the first equals sign, and the last of a name wins', () => {
  const env = collectEnv('A=3', collectEnv('B=x=y\nz', collectEnv('A=1', undefined)))
  assert.deepEqual(env, [
    { key: 'B', value: 'x=y\nz' },
    { key: 'A', value: '3' },
  ])
  for (const text of ['A', '=x', '1A=x', 'A B=x']) assert.throws(() => collectEnv(text, undefined), /NAME=value/, text)
})

test('durations are digits with a unit, seconds without one', () => {
  const seconds = { '90': 90, '90s': 90, '30m': 1800, '1h': 3600, '7d': 604_800 }
  for (const [text, expected] of Object.entries(seconds)) assert.deepEqual([parseDuration(text), parseSeconds(text)], [text, expected])
  for (const text of ['', '0', '-1h', '1.5h', '1w', '1h30m', 'h', '1 h']) assert.throws(() => parseDuration(text), /duration/, text)
  assert.equal(parseDurationOr('none')('none'), null)
  assert.equal(parseDurationOr('none')('1h'), '1h')
  assert.throws(() => parseDurationOr('none')('off'), /duration/)
})

test('metadata is split at the first equals sign, and an empty value removes its key', () => {
  const entries = ['a=1', 'b=x=y', 'a=2', 'c='].reduce<Record<string, string | null> | undefined>((all, text) => collectMetadata(text, all), undefined)
  assert.deepEqual(entries, { a: '2', b: 'x=y', c: null })
  for (const text of ['a', '=x', '']) assert.throws(() => collectMetadata(text, undefined), /KEY=VALUE/, text)
})
