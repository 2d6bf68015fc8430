import assert from 'node:assert/strict'
import test from 'node:test'
import type { WorkspaceRow } from '../store/workspaces.ts'
import { policyOf, restartDelay, sequelOf, sequelOfFailedRestart, ttlMs } from './restart-policy.ts'

type Given = Parameters<typeof sequelOf>[0]
const row = (config: object, more: object = {}): Given => ({
  mode: 'temporary',
  desired: 'running',
  restart_count: 0,
  config: { restart_policy: 'no', max_restarts: 0, remove_on_exit: false, ...config } as WorkspaceRow['config'],
  ...more,
})
const ended = { clean: false, byHostReboot: false, ranMs: 0, now: 1_000_000, random: 0.5 }

for (const [policy, clean, kind] of [
  ['no', true, 'rest'],
  ['no', false, 'rest'],
  ['on-failure', true, 'rest'],
  ['on-failure', false, 'restart'],
  ['always', true, 'restart'],
  ['always', false, 'restart'],
] as const) {
  test(`${policy}: after ${clean ? 'a clean end' : 'a failure'} there is a ${kind}`, () => {
    assert.equal(sequelOf(row({ restart_policy: policy }), { ...ended, clean }).kind, kind)
  })
}

test('the pause doubles with each restart up to five minutes, a fifth more or less', () => {
  for (const [count, ms] of [
    [0, 1_000],
    [1, 2_000],
    [5, 32_000],
    [8, 256_000],
    [9, 300_000],
    [1_000_000, 300_000],
  ] as const) {
    assert.deepEqual([restartDelay(count, 0), restartDelay(count, 0.5), restartDelay(count, 1)], [ms * 0.8, ms, ms * 1.2])
  }
})

test('a VM that ran for two minutes begins to count anew, one that ran for less does not', () => {
  const third = row({ restart_policy: 'always', max_restarts: 3 }, { restart_count: 3 })
  assert.deepEqual(sequelOf(third, { ...ended, ranMs: 119_999 }), { kind: 'rest', restartCount: 3, gaveUp: true })
  assert.deepEqual(sequelOf(third, { ...ended, ranMs: 120_000 }), { kind: 'restart', restartCount: 0, at: 1_001_000 })
})

test('the policy gives up after max_restarts; 0 is never', () => {
  for (const count of [0, 1, 2]) assert.equal(sequelOf(row({ restart_policy: 'always', max_restarts: 3 }, { restart_count: count }), ended).kind, 'restart')
  assert.deepEqual(sequelOfFailedRestart(row({ restart_policy: 'always', max_restarts: 3 }, { restart_count: 3 }), ended), {
    ...{ kind: 'rest', restartCount: 3, gaveUp: true },
  })
  assert.equal(sequelOf(row({ restart_policy: 'always' }, { restart_count: 1_000_000 }), ended).kind, 'restart')
})

test('nothing is started again that its owner does not want to run', () => {
  for (const desired of ['stopped', 'paused', 'deleted'] as const) {
    for (const byHostReboot of [false, true]) {
      assert.deepEqual(sequelOf(row({ restart_policy: 'always' }, { desired, mode: 'permanent' }), { ...ended, byHostReboot }), {
        ...{ kind: 'rest', restartCount: 0, gaveUp: false },
      })
    }
  }
})

test('after a restart of the host come back those that are to last and those with a policy, without an attempt used up', () => {
  const reboot = { ...ended, byHostReboot: true }
  assert.equal(sequelOf(row({}), reboot).kind, 'rest')
  assert.equal(sequelOf(row({}, { mode: 'permanent' }), reboot).kind, 'restart')
  for (const restart_policy of ['always', 'on-failure']) {
    const sequel = sequelOf(row({ restart_policy, max_restarts: 1 }, { restart_count: 1 }), reboot)
    assert.deepEqual(sequel, { kind: 'restart', restartCount: 1, at: 1_000_500 })
  }
})

test('remove_on_exit comes before any policy', () => {
  assert.deepEqual(sequelOf(row({ remove_on_exit: true, restart_policy: 'always' }), ended), { kind: 'remove' })
})

test('a workspace with a time to live is not kept alive; a permanent one has none', () => {
  const config = row({ restart_policy: 'always', ttl: '7d' }).config
  assert.deepEqual([policyOf({ mode: 'temporary', config }), ttlMs({ mode: 'temporary', config })], ['no', 604_800_000])
  assert.deepEqual([policyOf({ mode: 'permanent', config }), ttlMs({ mode: 'permanent', config })], ['always', undefined])
})
