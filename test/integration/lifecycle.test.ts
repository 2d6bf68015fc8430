/** Pause and resume, and what one action means for another that is under way. */
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { AlcoveError } from '../../packages/server/src/lib/fail.ts'
import { newId } from '../../packages/server/src/lib/ids.ts'
import * as operations from '../../packages/server/src/store/operations.ts'
import * as rows from '../../packages/server/src/store/workspaces.ts'
import { createWorld } from '../support/control.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { asRequester } from '../support/requests.ts'
import { act, closeGate, openGates } from '../support/states.ts'
import { WatchedMailboxes } from '../support/watched-mailboxes.ts'

const busybox = { image: 'busybox', config: {} }

async function setUp(t: TestContext, config = {}) {
  const clock = new ManualClock()
  const world = await createWorld(t, {}, clock)
  const mailboxes = new WatchedMailboxes()
  const plane = await world.plane({}, undefined, () => ({ mailboxes }))
  const principal = await world.principal()
  /** Does a verb, and resolves when it has its turn or waits for one. */
  const begin = async (id: string, verb: Parameters<typeof act>[3], operationId: string) => {
    mailboxes.asked = Promise.withResolvers()
    const outcome = act(plane, principal, id, verb, operationId)
    outcome.catch(() => {})
    await mailboxes.asked.promise
    return { outcome }
  }
  const make = () => plane.workspaces.create(principal, { ...busybox, config })
  const row = async (id: string) => rows.findAny(world.store.db, id)
  const operation = (id: string) => operations.find(world.store.db, id)
  const pass = async () => {
    await plane.reconciler.pass()
    await plane.control.mailboxes.idle()
  }
  return { clock, world, plane, ...plane, principal, begin, make, row, operation, pass }
}

test('a pause stops the VM and a resume lets the same boot go on', async (t) => {
  const { world, workspaces, principal, make } = await setUp(t)
  const { id, generation, ip } = await make()
  const boot = world.host.machines.get(id)?.spec.bootId
  const paused = await workspaces.pause(principal, id)
  assert.deepEqual([paused.info.status, paused.info.is_running, paused.ready, paused.ip], ['paused', false, false, ip])
  assert.equal(world.host.machines.get(id)?.isPaused, true)
  await assert.rejects(workspaces.stats(principal, id), { code: 'vm_not_running' })
  const resumed = await workspaces.resume(principal, id)
  assert.deepEqual([resumed.info.status, resumed.ready, resumed.generation], ['running', true, generation])
  assert.deepEqual([world.host.machines.get(id)?.isPaused, world.host.machines.get(id)?.spec.bootId], [false, boot])
  assert.equal(world.host.boots.length, 1)
})

for (const [verb, stays] of [
  ['pause', 'running'],
  ['resume', 'paused'],
] as const) {
  test(`a VM that cannot be made to ${verb} stays ${stays} and says so; a second attempt may succeed`, async (t) => {
    const { world, plane, workspaces, principal, make, operation } = await setUp(t)
    const { id } = await make()
    if (verb === 'resume') await workspaces.pause(principal, id)
    world.host.knobs.onPause = () => Promise.reject(new AlcoveError('VM_UNAVAILABLE', { message: 'no answer' }))
    const operationId = newId('op')
    await assert.rejects(act(plane, principal, id, verb, operationId), { code: 'VM_UNAVAILABLE' })
    assert.equal((await workspaces.get(principal, id)).info.status, stays)
    const failed = await operation(operationId)
    assert.deepEqual([failed?.status, failed?.error], ['failed', { code: 'VM_UNAVAILABLE', message: 'no answer' }])
    world.host.knobs.onPause = undefined
    assert.notEqual((await workspaces[verb](principal, id)).info.status, stays)
  })
}

test('a pass puts a VM right that stands still or runs against its row', async (t) => {
  const { world, workspaces, principal, make, pass } = await setUp(t)
  const [running, paused] = [await make(), await make()]
  await workspaces.pause(principal, paused.id)
  const machine = (id: string) => world.host.machines.get(id) ?? assert.fail(`${id} has no VM`)
  machine(running.id).isPaused = true
  machine(paused.id).isPaused = false
  await pass()
  assert.deepEqual([machine(running.id).isPaused, machine(paused.id).isPaused], [false, true])
})

test('a stop during the way down of a restart ends stopped without another boot, and the restart is told', async (t) => {
  const { world, plane, principal, begin, make, operation, row } = await setUp(t)
  const { id } = await make()
  const gate = closeGate(world)
  const [restartId, stopId] = [newId('op'), newId('op')]
  const restart = assert.rejects(act(plane, principal, id, 'restart', restartId), { code: 'conflict' })
  await gate.reached
  const stop = await begin(id, 'stop', stopId)
  openGates(world)
  gate.open()
  await Promise.all([restart, stop.outcome])
  assert.equal(world.host.boots.length, 1, 'nothing is booted on the way')
  assert.deepEqual([(await operation(restartId))?.status, (await operation(stopId))?.status], ['cancelled', 'succeeded'])
  const stopped = await row(id)
  assert.deepEqual([stopped?.status, stopped?.desired, stopped?.user_requested_stop], ['stopped', 'stopped', true])
})

test('a first boot that failed is done again by a retry, which a stop waits for and does not boot again', async (t) => {
  const { clock, world, plane, workspaces, principal, control, begin, operation } = await setUp(t)
  const begun = Promise.withResolvers<string>()
  const boot = Promise.withResolvers<void>()
  world.host.knobs.onBoot = ({ workspaceId }) => {
    begun.resolve(workspaceId)
    return boot.promise
  }
  const create = workspaces.create(principal, busybox)
  const id = await begun.promise
  clock.advance(10_000)
  assert.equal((await create).status, 'creating')
  boot.reject(new AlcoveError('START_FAILED', { message: 'no kernel' }))
  await control.mailboxes.idle()
  assert.equal((await workspaces.get(principal, id)).provisioning?.state, 'failed')

  const gate = closeGate(world)
  const [retryId, stopId] = [newId('op'), newId('op')]
  const retry = act(plane, principal, id, 'retry', retryId)
  await gate.reached
  assert.equal((await workspaces.get(principal, id)).status, 'creating')
  const stop = await begin(id, 'stop', stopId)
  openGates(world)
  gate.open()
  await Promise.all([retry, stop.outcome])
  assert.equal(world.host.boots.length, 1)
  assert.deepEqual([(await operation(retryId))?.status, (await operation(stopId))?.status], ['succeeded', 'succeeded'])
  assert.equal((await workspaces.get(principal, id)).status, 'stopped')
})

test('a stop gives up a start by the restart policy', async (t) => {
  const { clock, world, workspaces, principal, control, make, timers, row } = await setUp(t, { restart_policy: 'always' })
  const { id } = await make()
  world.host.crash(id)
  await control.mailboxes.idle()
  clock.advance(2_000)
  const gate = closeGate(world)
  await timers.sweep()
  await gate.reached
  world.host.knobs.onShutdown = undefined
  const stopped = await workspaces.stop(principal, id)
  assert.equal(stopped.info.status, 'stopped')
  openGates(world)
  clock.advance(3_600_000)
  await timers.sweep()
  await control.mailboxes.idle()
  assert.deepEqual([(await row(id))?.status, world.host.machines.size, world.host.boots.length], ['stopped', 0, 1])
})

test('a delete that did not end in time is told as failed, goes on, and is the operation of whoever asks again', async (t) => {
  const { clock, world, plane, principal, make, operation, row, pass } = await setUp(t)
  const { id } = await make()
  world.host.knobs.onShutdown = () => Promise.reject(new Error('hangs in the kernel'))
  const [first, second] = [newId('op'), newId('op')]
  await assert.rejects(act(plane, principal, id, 'delete', first), { code: 'STOP_FAILED' })
  clock.advance(61_000)
  await pass()
  assert.deepEqual([(await operation(first))?.status, (await row(id))?.status], ['failed', 'deleting'])
  await assert.rejects(act(plane, principal, id, 'delete', second), { code: 'STOP_FAILED' })
  world.host.knobs.onShutdown = undefined
  await pass()
  assert.deepEqual([await row(id), (await operation(second))?.status], [undefined, 'succeeded'])
  await assert.rejects(plane.service.get(asRequester(principal) as never, id), { code: 'not_found' })
})
