import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { AlcoveError } from '../../packages/server/src/lib/fail.ts'
import * as events from '../../packages/server/src/store/events.ts'
import * as operations from '../../packages/server/src/store/operations.ts'
import * as slots from '../../packages/server/src/store/slots.ts'
import * as rows from '../../packages/server/src/store/workspaces.ts'
import { recover } from '../../packages/server/src/workspace/recover.ts'
import { createWorld } from '../support/control.ts'
import { ManualClock } from '../support/manual-clock.ts'

const busybox = { image: 'busybox', config: {} }

/** A world whose clock can be put forward. */
async function setUp(t: TestContext, times = {}) {
  const clock = new ManualClock()
  const world = await createWorld(t, {}, clock)
  const plane = await world.plane(times)
  const principal = await world.principal()
  const pass = async () => {
    await plane.reconciler.pass()
    await plane.control.mailboxes.idle()
  }
  return { world, ...plane, principal, pass, forward: (ms: number) => clock.advance(ms), row: (id: string) => rows.findAny(world.store.db, id) }
}

test('a VM of which nothing can be found out is left alone, by the recovery and by every pass', async (t) => {
  const { world, workspaces, principal, reconciler, pass } = await setUp(t)
  const { id } = await workspaces.create(principal, busybox, undefined)
  world.host.knobs.adopts = 'unknown'
  await reconciler.recover()
  await pass()
  assert.ok(world.host.machines.has(id))
  assert.equal((await workspaces.get(principal, id)).info.status, 'running')
})

test('a VM that ended unseen is told by the next pass', async (t) => {
  const { world, workspaces, principal, pass } = await setUp(t)
  const { id } = await workspaces.create(principal, busybox, undefined)
  world.host.machines.delete(id)
  await pass()
  const { info } = await workspaces.get(principal, id)
  assert.deepEqual([info.status, info.failure?.code], ['stopped', 'vm_exited'])
})

test('network rules follow the row, also where an update was stored and never acted', async (t) => {
  const { world, workspaces, principal, pass } = await setUp(t)
  const { id } = await workspaces.create(principal, busybox, undefined)
  await workspaces.update(principal, id, { config: { network_config: { allow_internet: false } } })
  const machine = world.host.machines.get(id)
  assert.ok(machine)
  machine.allowInternet = true
  await pass()
  assert.equal(machine.allowInternet, false)
})

test('a pass that looked before a start was done does not tear down what it made', async (t) => {
  const { world, workspaces, principal, control, row } = await setUp(t)
  const { id } = await workspaces.create(principal, busybox, undefined)
  await workspaces.stop(principal, id)
  let stale: Awaited<ReturnType<typeof row>>
  world.host.knobs.onBoot = async () => {
    stale = await row(id)
  }
  await workspaces.start(principal, id, { force: false })
  assert.equal(stale?.status, 'starting')
  await recover(control, stale)
  assert.ok(world.host.machines.has(id))
  assert.equal(world.host.boots.length, 2)
})

test('a turn that waits is told of the delete that came before it', async (t) => {
  const { world, workspaces, principal } = await setUp(t)
  const { id } = await workspaces.create(principal, busybox, undefined)
  const stopping = Promise.withResolvers<void>()
  world.host.knobs.onShutdown = () => stopping.promise
  const verbs = [workspaces.stop(principal, id), workspaces.restart(principal, id), workspaces.start(principal, id, { force: false })]
  const outcomes = Promise.allSettled(verbs)
  await new Promise(setImmediate)
  const removed = workspaces.remove(principal, id)
  stopping.resolve()
  await removed
  for (const outcome of await outcomes) {
    if (outcome.status === 'rejected') assert.ok(['conflict', 'not_found'].includes(outcome.reason.code), String(outcome.reason))
  }
})

test('a failed create that cannot be cleared away says why it failed, frees its key, and is cleared away later', async (t) => {
  const { world, workspaces, principal, pass, row } = await setUp(t)
  const key = { key: 'k', requestHash: 'h' }
  let failed = ''
  world.host.knobs.onBoot = async (spec) => {
    failed = spec.workspaceId
    throw new AlcoveError('START_FAILED', { message: 'no answer' })
  }
  world.host.knobs.onShutdown = async () => {
    throw new Error('busy')
  }
  await assert.rejects(workspaces.create(principal, busybox, key), { code: 'CREATE_FAILED', message: /no answer/ })
  world.host.knobs.onBoot = undefined
  assert.notEqual((await workspaces.create(principal, busybox, key)).id, failed)
  assert.equal((await row(failed))?.status, 'deleting')
  world.host.knobs.onShutdown = undefined
  await pass()
  assert.equal(await row(failed), undefined)
})

test('an address is not given away while the VM of a failed start may live', async (t) => {
  const { world, workspaces, principal, pass } = await setUp(t)
  const { id } = await workspaces.create(principal, busybox, undefined)
  await workspaces.stop(principal, id)
  world.host.knobs.onBoot = async (spec) => {
    world.host.machines.set(id, { spec, allowInternet: true, bootedAt: 0, isPaused: false })
    world.host.knobs.onShutdown = async () => {
      throw new Error('hangs in the kernel')
    }
    throw new AlcoveError('START_FAILED')
  }
  await assert.rejects(workspaces.start(principal, id, { force: false }), { code: 'START_FAILED' })
  const held = async () => (await slots.listHeld(world.store.db)).length
  assert.deepEqual([(await workspaces.get(principal, id)).info.status, await held()], ['failed', 1])
  world.host.knobs.onShutdown = undefined
  await pass()
  assert.equal(world.host.machines.size, 0, 'a VM of a workspace that has none is ended')
})

test('a restart keeps the address, and one that was cut off is finished', async (t) => {
  const { world, workspaces, principal, abandon } = await setUp(t)
  const { id, ip } = await workspaces.create(principal, busybox, undefined)
  assert.equal((await workspaces.restart(principal, id)).ip, ip)
  const begun = Promise.withResolvers<void>()
  world.host.knobs.onBoot = () => {
    begun.resolve()
    return new Promise(() => {})
  }
  workspaces.restart(principal, id).catch(() => {})
  await begun.promise
  abandon()
  world.host.knobs.onBoot = undefined
  const next = await world.plane()
  await next.reconciler.recover()
  await next.control.mailboxes.idle()
  assert.equal((await next.workspaces.get(principal, id)).info.status, 'running')
  const moves = (await events.listByWorkspace(world.store.db, id)).map((event) => event.to_status)
  assert.deepEqual(moves.slice(-4), ['stopping', 'stopped', 'starting', 'running'])
})

test('a boot that goes on past its deadline is given up', async (t) => {
  const { world, workspaces, principal, reconciler, row } = await setUp(t, { moveDeadlineMs: -1 })
  const begun = Promise.withResolvers<string>()
  world.host.knobs.onBoot = (spec, signal) =>
    new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason))
      begun.resolve(spec.workspaceId)
    })
  const create = workspaces.create(principal, busybox, undefined)
  create.catch(() => {})
  const id = await begun.promise
  await reconciler.pass()
  await assert.rejects(create, { code: 'CREATE_FAILED', message: /in time/ })
  assert.equal(await row(id), undefined)
})

test('a boot that does not even unwind is told as failed: no row moves for ever', async (t) => {
  const { world, workspaces, principal, reconciler, forward, row, control } = await setUp(t)
  const begun = Promise.withResolvers<string>()
  world.host.knobs.onBoot = (spec) => {
    begun.resolve(spec.workspaceId)
    return new Promise(() => {})
  }
  workspaces.create(principal, busybox, undefined).catch(() => {})
  const id = await begun.promise
  const { operation_id: operationId, deadline_at: deadlineAt } = (await row(id)) ?? assert.fail()
  forward((deadlineAt ?? 0) - control.clock.now() + 1000)
  await reconciler.pass()
  assert.equal((await row(id))?.status, 'creating', 'it has time to undo what it did')
  forward(60_000)
  await reconciler.pass()
  assert.deepEqual([(await row(id))?.status, (await row(id))?.failure?.code], ['failed', 'START_FAILED'])
  assert.equal((await operations.find(world.store.db, operationId ?? ''))?.status, 'failed')
})

test('a VM that the host cannot serve is told as not ready until it can', async (t) => {
  const { world, workspaces, principal, pass } = await setUp(t)
  const { id } = await workspaces.create(principal, busybox, undefined)
  world.host.knobs.health = 'host_disk'
  await pass()
  const paused = await workspaces.get(principal, id)
  assert.deepEqual([paused.info.status, paused.ready, paused.info.failure?.code], ['running', false, 'vm_paused'])
  world.host.knobs.health = 'ok'
  await pass()
  const again = await workspaces.get(principal, id)
  assert.deepEqual([again.ready, again.info.failure], [true, undefined])
})

test('an idempotency key is forgotten after a day, not before', async (t) => {
  const { workspaces, principal, pass, forward } = await setUp(t)
  const key = { key: 'k', requestHash: 'h' }
  const { id } = await workspaces.create(principal, busybox, key)
  forward(23 * 3_600_000)
  await pass()
  assert.equal((await workspaces.create(principal, busybox, key)).id, id)
  forward(2 * 3_600_000)
  await pass()
  assert.notEqual((await workspaces.create(principal, busybox, key)).id, id)
})

test('what is left of a deleted workspace is reclaimed after its grace; what the database never knew is left alone', async (t) => {
  const { world, workspaces, principal, pass, forward } = await setUp(t)
  const { id } = await workspaces.create(principal, busybox, undefined)
  await workspaces.remove(principal, id)
  world.host.traces.add(id)
  world.host.traces.add('ws_stranger')
  await pass()
  assert.deepEqual([...world.host.traces], [id, 'ws_stranger'])
  forward(61_000)
  await pass()
  assert.deepEqual([...world.host.traces], ['ws_stranger'])
})

test('many left-overs at once stop the pass', async (t) => {
  const { world, workspaces, principal, pass, forward } = await setUp(t)
  for (let i = 0; i < 4; i++) {
    const { id } = await workspaces.create(principal, busybox, undefined)
    await workspaces.remove(principal, id)
    world.host.traces.add(id)
  }
  await pass()
  forward(61_000)
  await pass()
  assert.equal(world.host.traces.size, 4)
})
