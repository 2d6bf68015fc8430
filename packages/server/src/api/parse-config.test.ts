/** What `config` may hold, and how its aliases are folded. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { AlcoveError } from '../lib/fail.ts'
import { parseConfig } from './parse-config.ts'

function refusalOf(given: unknown): { field: unknown; allowed: unknown; suggestion: unknown; message: string } {
  try {
    parseConfig(given)
  } catch (error) {
    assert.ok(error instanceof AlcoveError)
    assert.equal(error.code, 'INVALID_CONFIG')
    return { field: error.details?.field, allowed: error.details?.allowed, suggestion: error.details?.suggestion, message: error.message }
  }
  assert.fail(`accepted ${JSON.stringify(given)}`)
}

test('aliases are folded into the one name', () => {
  assert.deepEqual(parseConfig({ disk_size_mb: 64 }), { writable_size_mb: 64 })
  assert.deepEqual(parseConfig({ disk_size_mb: 64, writable_size_mb: 64 }), { writable_size_mb: 64 })
  assert.deepEqual(parseConfig({ ttl: 3600 }), { ttl: '3600s' })
  assert.deepEqual(parseConfig({ ttl: '3600' }), { ttl: '3600s' })
  assert.deepEqual(parseConfig({ ttl: '1h' }), { ttl: '1h' })
  assert.deepEqual(parseConfig({ env: ['A=1=2', { key: 'B', value: '' }, 'A=3'] }), {
    env: [
      { key: 'B', value: '' },
      { key: 'A', value: '3' },
    ],
  })
  assert.deepEqual(parseConfig({ cmd: 'echo hi' }), { cmd: 'echo hi' })
  assert.deepEqual(parseConfig({ allow_internet: false }), { network_config: { allow_internet: false } })
  assert.deepEqual(parseConfig({ network_config: { public_ingress: true } }), { network_config: { public_ingress: true } })
  assert.deepEqual(parseConfig({ workloads: [{ cmd: ['a'], env: { K: 'v' }, restart: 'no' }] }), {
    workloads: [{ cmd: ['a'], env: ['K=v'], restart_policy: 'never' }],
  })
  assert.deepEqual(parseConfig(undefined), {})
})

test('two names of one setting must agree', () => {
  assert.equal(refusalOf({ disk_size_mb: 64, writable_size_mb: 65 }).field, 'config.disk_size_mb')
  assert.equal(refusalOf({ allow_internet: true, network_config: { allow_internet: false } }).field, 'config.allow_internet')
  assert.equal(refusalOf({ workloads: [{ cmd: ['a'], restart: 'always', restart_policy: 'never' }] }).field, 'config.workloads.0.restart')
})

test('a refusal names the field and what it takes', () => {
  assert.deepEqual(refusalOf({ cpus: 33 }), {
    field: 'config.cpus',
    allowed: { min: 1, max: 32 },
    suggestion: undefined,
    message: 'config.cpus must be an integer from 1 to 32.',
  })
  assert.deepEqual(refusalOf({ ttl_action: 'explode' }).allowed, ['stop', 'remove', 'pause', 'suspend'])
  assert.deepEqual(refusalOf({ keep_logs: 1 }).allowed, [true, false])
  const wrong: [unknown, string][] = [
    [null, 'config'],
    [[], 'config'],
    ['x', 'config'],
    [{ cpus: 1.5 }, 'config.cpus'],
    [{ cpus: '2' }, 'config.cpus'],
    [{ memory_mb: 127 }, 'config.memory_mb'],
    [{ memory_mb: Number.POSITIVE_INFINITY }, 'config.memory_mb'],
    [{ writable_size_mb: 204_801 }, 'config.writable_size_mb'],
    [{ ttl: '0s' }, 'config.ttl'],
    [{ ttl: 0 }, 'config.ttl'],
    [{ ttl: '1 hour' }, 'config.ttl'],
    [{ cmd: [] }, 'config.cmd'],
    [{ cmd: ['a', 1] }, 'config.cmd.1'],
    [{ cmd: [''] }, 'config.cmd.0'],
    [{ env: {} }, 'config.env'],
    [{ env: ['1A=b'] }, 'config.env.0'],
    [{ env: [{ key: 'A' }] }, 'config.env.0.value'],
    [{ env: [{ key: 'A', value: 'x'.repeat(32_769) }] }, 'config.env.0.value'],
    [{ env: [`A=${'x'.repeat(32_769)}`] }, 'config.env.0'],
    [{ env: [{ key: 'A', value: 'a\0b' }] }, 'config.env.0.value'],
    [{ cmd: ['a\ud800'] }, 'config.cmd.0'],
    [{ network_config: { allow_internet: 'yes' } }, 'config.network_config.allow_internet'],
    [{ network_config: { public: true } }, 'config.network_config.public'],
    [{ workloads: [{ cmd: ['a'], labels: { a: 1 } }] }, 'config.workloads.0.labels.a'],
    [{ workloads: [{}] }, 'config.workloads.0.cmd'],
    [{ workloads: [{ cmd: ['a'], env: { 'A B': 'c' } }] }, 'config.workloads.0.env'],
    [{ proxy_assignment_id: 0 }, 'config.proxy_assignment_id'],
  ]
  for (const [given, field] of wrong) assert.equal(refusalOf(given).field, field, JSON.stringify(given))
})

test('an unknown key is refused with the nearest known one', () => {
  assert.equal(refusalOf({ memoryMb: 512 }).suggestion, 'memory_mb')
  assert.equal(refusalOf({ cpu: 1 }).suggestion, 'cpus')
  assert.equal(refusalOf({ 'restart-policy': 'no' }).suggestion, 'restart_policy')
  assert.equal(refusalOf({ network_config: { allowInternet: true } }).suggestion, 'allow_internet')
  assert.equal(refusalOf({ zzzzzzzz: 1 }).suggestion, undefined)
  assert.equal(refusalOf({ constructor: { prototype: {} } }).field, 'config.constructor')
})

test('the name __proto__ is refused wherever names are free', () => {
  assert.equal(refusalOf(JSON.parse('{"__proto__":{"cpus":1}}')).field, 'config.__proto__')
  assert.equal(refusalOf(JSON.parse('{"workloads":[{"cmd":["a"],"labels":{"__proto__":"x"}}]}')).field, 'config.workloads.0.labels.__proto__')
})

test('a refusal never repeats a value', () => {
  assert.doesNotMatch(JSON.stringify(refusalOf({ env: [{ key: 'TOKEN', value: 'hunter2\0' }] })), /hunter2/)
})
