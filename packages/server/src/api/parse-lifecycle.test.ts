import assert from 'node:assert/strict'
import test from 'node:test'
import { limits } from '@alcove/contract'
import { parseIdle, parseMetadata, parsePermanent, parsePing, parseResources, parseTemporary, parseTtl } from './parse-lifecycle.ts'

function refuses(parse: (given: unknown) => unknown, given: unknown, field: string): void {
  const label = JSON.stringify(given)?.slice(0, 80)
  assert.throws(
    () => parse(given),
    (error: { code?: string; details?: { field?: string } }) => error.code === 'validation_error' && error.details?.field === field,
    `${label} is not refused at ${field}`,
  )
}

test('a time to live is kept as it is written, digits as seconds; null takes it away, absent leaves it', () => {
  for (const [given, stored] of [
    [{ ttl: '30m' }, { ttl: '30m' }],
    [{ ttl: 90 }, { ttl: '90s' }],
    [{ ttl: '90' }, { ttl: '90s' }],
    [
      { ttl: null, ttl_action: 'remove' },
      { ttl: null, ttl_action: 'remove' },
    ],
    [{}, {}],
  ] as const) {
    assert.deepEqual(parseTtl(given), stored)
    assert.deepEqual(parseTemporary({ ...given, remove_on_exit: true }), { ...stored, remove_on_exit: true })
  }
  for (const ttl of [0, -1, 1.5, '0s', '1w', '', '3651d', 9_999_999_999, true, []]) refuses(parseTtl, { ttl }, 'ttl')
  refuses(parseTtl, { ttl_action: 'explode' }, 'ttl_action')
  refuses(parseTtl, { remove_on_exit: true }, 'remove_on_exit')
})

test('sizes have two names for the disk, which must agree', () => {
  assert.deepEqual(parseResources({ disk_size_mb: 128, cpus: 2 }), { cpus: 2, writable_size_mb: 128, apply: false })
  assert.deepEqual(parseResources({ disk_size_mb: 128, writable_size_mb: 128, apply: true }), { writable_size_mb: 128, apply: true })
  refuses(parseResources, { disk_size_mb: 128, writable_size_mb: 129 }, 'disk_size_mb')
  refuses(parseResources, { cpus: limits.cpus.max + 1 }, 'cpus')
  refuses(parseResources, { memory_mb: '512' }, 'memory_mb')
  refuses(parseResources, { apply: 1 }, 'apply')
})

test('metadata is text by key; null removes, and what a database or JSON would change is refused', () => {
  assert.deepEqual(parseMetadata({ metadata: { a: 'b', c: null } }), { a: 'b', c: null })
  for (const metadata of [{ a: 1 }, { a: {} }, { a: 'x'.repeat(limits.metadataValueChars + 1) }]) refuses(parseMetadata, { metadata }, 'metadata.a')
  refuses(parseMetadata, JSON.parse('{"metadata":{"__proto__":"x"}}'), 'metadata.__proto__')
  for (const metadata of [{ a: '\0' }, { a: '\ud800' }, { 'a\0': 'b' }]) refuses(parseMetadata, { metadata }, 'metadata')
  refuses(parseMetadata, {}, 'metadata')
  refuses(parseMetadata, { metadata: [] }, 'metadata')
})

test('an idle policy is in seconds; a policy of never is none', () => {
  assert.deepEqual(parseIdle({ suspend_after: '10m', stop_after: 7200 }), { suspend_after: 600, stop_after: 7200 })
  assert.equal(parseIdle({ suspend_after: 0 }), null)
  refuses(parseIdle, { suspend_after: 1 }, 'idle.suspend_after')
  refuses(parseIdle, { suspend_after: '10m', stop_after: 60 }, 'idle.stop_after')
})

test('what is not asked for is refused by its name', () => {
  assert.deepEqual([parsePermanent({}), parsePing({ ttl_seconds: 1 })], [{}, { ttl_seconds: 1 }])
  refuses(parsePermanent, { restart_policy: 'sometimes' }, 'restart_policy')
  refuses(parsePermanent, { ttl: '1h' }, 'ttl')
  refuses(parsePing, { ttl_seconds: 0 }, 'ttl_seconds')
})
