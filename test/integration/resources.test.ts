/** Changing the size of a workspace: stored or applied, within limits and pools, whoever else asks at the same moment. */
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { AlcoveError } from '../../packages/server/src/lib/fail.ts'
import { newId } from '../../packages/server/src/lib/ids.ts'
import * as operations from '../../packages/server/src/store/operations.ts'
import * as rows from '../../packages/server/src/store/workspaces.ts'
import type { ResourcesChange } from '../../packages/server/src/workspace/resources.ts'
import { createWorld } from '../support/control.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { asRequester } from '../support/requests.ts'
import { bring } from '../support/states.ts'

async function setUp(t: TestContext, plans = {}, plan?: string) {
  const world = await createWorld(t, plans, new ManualClock())
  const plane = await world.plane()
  const principal = await world.principal(plan)
  const make = (config = {}) => plane.workspaces.create(principal, { image: 'busybox', config })
  const change = (id: string, more: Partial<ResourcesChange>, operationId = newId('op')) =>
    plane.service.changeResources(asRequester(principal, { operationId }), id, { apply: false, ...more })
  const seen = async (id: string) => {
    const { cpus, memory_mb, writable_size_mb, restart_required } = await plane.workspaces.resources(principal, id)
    return [cpus, memory_mb, writable_size_mb, restart_required]
  }
  return { world, plane, ...plane, principal, make, change, seen, row: (id: string) => rows.findAny(world.store.db, id) }
}

const pools = (pool: object, running_pool = pool) => ({
  pool: { cpus: 100, memory_mb: 1e6, disk_mb: 1e6, ...pool },
  running_pool: { cpus: 100, memory_mb: 1e6, disk_mb: 1e6, ...running_pool },
})

test('a change that is not applied waits for the next start and says so', async (t) => {
  const { world, workspaces, principal, make, change, seen } = await setUp(t)
  const { id } = await make()
  assert.deepEqual(await change(id, { cpus: 2, memory_mb: 512, writable_size_mb: 1024 }), { updated: { cpus: 2, writable_size_mb: 1024 }, relaunched: false })
  assert.deepEqual([await seen(id), world.host.boots.length], [[2, 512, 1024, true], 1])
  await workspaces.restart(principal, id)
  const { cpus, diskMib } = world.host.boots.at(-1) ?? assert.fail()
  assert.deepEqual([await seen(id), cpus, diskMib], [[2, 512, 1024, false], 2, 1024])
})

test('a change that is applied restarts the VM once, as one operation', async (t) => {
  const { world, workspaces, principal, make, change, seen, row } = await setUp(t)
  const { id, ip } = await make()
  const operationId = newId('op')
  assert.deepEqual(await change(id, { memory_mb: 1024, apply: true }, operationId), { updated: { memory_mb: 1024 }, relaunched: true })
  assert.deepEqual(
    [await seen(id), world.host.boots.map(({ memoryMib }) => memoryMib)],
    [
      [1, 1024, 512, false],
      [512, 1024],
    ],
  )
  const operation = await operations.find(world.store.db, operationId)
  assert.deepEqual(
    [operation?.verb, operation?.status, operation?.steps.map(({ name }) => name)],
    [...['resources', 'succeeded', ['stopping', 'stopped', 'starting', 'running']]],
  )
  assert.deepEqual([(await workspaces.get(principal, id)).ip, (await row(id))?.user_requested_stop], [ip, false])
})

test('at rest a change is stored, whether it is to be applied or not; a paused VM is restarted for it', async (t) => {
  const { world, workspaces, principal, make, change } = await setUp(t)
  const { id } = await make()
  await workspaces.pause(principal, id)
  assert.equal((await change(id, { cpus: 2, apply: true })).relaunched, true)
  assert.equal((await workspaces.get(principal, id)).status, 'running')
  await workspaces.stop(principal, id)
  assert.deepEqual(await change(id, { cpus: 3, apply: true }), { updated: { cpus: 3 }, relaunched: false })
  assert.deepEqual([(await workspaces.get(principal, id)).status, world.host.boots.length], ['stopped', 2])
})

test('a change that is not applied waits for nobody', async (t) => {
  const { world, plane, principal, change, seen } = await setUp(t)
  const { id, release, move } = await bring(world, plane, principal, 'starting')
  assert.deepEqual(await change(id, { cpus: 2 }), { updated: { cpus: 2 }, relaunched: false })
  release()
  await move?.outcome
  assert.deepEqual(await seen(id), [2, 512, 512, true])
})

test('the disk never shrinks, nothing changes with what is refused, and what is going is not changed', async (t) => {
  const { world, plane, principal, make, change, seen } = await setUp(t)
  const { id } = await make({ writable_size_mb: 1024 })
  for (const apply of [false, true]) await assert.rejects(change(id, { cpus: 2, writable_size_mb: 1023, apply }), { code: 'INVALID_CONFIG' })
  await assert.rejects(change(id, { cpus: 33, apply: true }), { code: 'RESOURCE_NOT_ALLOWED' })
  assert.deepEqual([await seen(id), world.host.boots.length], [[1, 512, 1024, false], 1])
  const going = await bring(world, plane, principal, 'deleting')
  for (const apply of [false, true])
    await assert.rejects(change(going.id, { cpus: 2, apply }), { code: 'conflict', details: { status: 'deleting', verb: 'settings', action: 'delete' } })
  going.release()
  await going.move?.outcome
})

for (const apply of [false, true]) {
  test(`twenty changes at once against a pool give what the pool has${apply ? ', applied' : ''}`, async (t) => {
    const { world, workspaces, principal, make, change } = await setUp(t, { pooled: pools({ cpus: 25 }) }, 'pooled')
    const ids = []
    for (let i = 0; i < 20; i++) ids.push((await make()).id)
    const outcomes = await Promise.allSettled(ids.map((id) => change(id, { cpus: 2, apply })))
    const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason.code] : []))
    assert.deepEqual([outcomes.length - refused.length, new Set(refused)], [5, new Set(['POOL_LIMIT_REACHED'])])
    const { pool_usage, running_pool_usage } = await workspaces.quota(principal)
    assert.deepEqual([pool_usage.cpus, running_pool_usage.cpus, world.host.machines.size], [25, 25, 20])
  })
}

test('a VM that runs cannot grow beyond the running pool; one at rest can, and is refused when it is started', async (t) => {
  const { workspaces, principal, make, change, seen } = await setUp(t, { pooled: pools({}, { cpus: 3 }) }, 'pooled')
  const [first, second] = [await make(), await make()]
  for (const apply of [false, true]) await assert.rejects(change(first.id, { cpus: 3, apply }), { code: 'RUNNING_POOL_REACHED' })
  assert.deepEqual(await seen(first.id), [1, 512, 512, false])
  await workspaces.stop(principal, first.id)
  await change(first.id, { cpus: 3 })
  await assert.rejects(workspaces.start(principal, first.id), { code: 'RUNNING_POOL_REACHED' })
  await workspaces.remove(principal, second.id)
  assert.equal((await workspaces.start(principal, first.id)).status, 'running')
})

test('a change whose boot fails is stored, is told as failed, and is no restart that goes on', async (t) => {
  const { world, make, change, row } = await setUp(t)
  const { id } = await make()
  world.host.knobs.onBoot = () => Promise.reject(new AlcoveError('START_FAILED', { message: 'no kernel' }))
  const operationId = newId('op')
  await assert.rejects(change(id, { cpus: 2, apply: true }, operationId), { code: 'START_FAILED' })
  const failed = await row(id)
  assert.deepEqual([failed?.status, failed?.cpus, failed?.failure?.message, failed?.restart_at], ['failed', 2, 'no kernel', null])
  assert.equal((await operations.find(world.store.db, operationId))?.status, 'failed')
})

test('a stop gives up a change that is being applied; what was stored stays', async (t) => {
  const { world, workspaces, principal, make, change, seen } = await setUp(t)
  const { id } = await make()
  const begun = Promise.withResolvers<void>()
  world.host.knobs.onBoot = (_, signal) =>
    new Promise((_resolve, reject) => {
      begun.resolve()
      signal.addEventListener('abort', () => reject(signal.reason))
    })
  const applied = assert.rejects(change(id, { cpus: 2, apply: true }), { code: 'conflict' })
  await begun.promise
  assert.equal((await workspaces.stop(principal, id)).status, 'stopped')
  await applied
  assert.deepEqual(await seen(id), [2, 512, 512, false])
})
