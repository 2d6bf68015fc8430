/** Strangers: what no row explains goes after its grace, and nothing is ever touched that cannot be proved over. */
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import * as rows from '../../packages/server/src/store/workspaces.ts'
import { createReclaim } from '../../packages/server/src/workspace/reclaim.ts'
import { createWorld } from '../support/control.ts'
import { ManualClock } from '../support/manual-clock.ts'

const busybox = { image: 'busybox', config: {} }

/** A world with a clock that can be put forward, and a workspace that was started twice. */
async function setUp(t: TestContext) {
  const clock = new ManualClock()
  const world = await createWorld(t, {}, clock)
  const plane = await world.plane()
  const principal = await world.principal()
  const pass = async () => {
    await plane.reconciler.pass()
    await plane.control.mailboxes.idle()
  }
  const bootOf = async (id: string) => (await rows.findAny(world.store.db, id))?.boot_id ?? ''
  const { id } = await plane.workspaces.create(principal, busybox, undefined)
  const former = await bootOf(id)
  await plane.workspaces.restart(principal, id)
  return { ...plane, world, host: world.host, principal, pass, clock, id, former, bootOf }
}

test('what a former boot left goes after its grace, and the VM that runs is not touched', async (t) => {
  const { host, pass, clock, id, former } = await setUp(t)
  host.leftOvers.push({ workspaceId: id, bootId: former, slots: [] })
  await pass()
  clock.advance(59_000)
  await pass()
  assert.deepEqual(host.discarded, [])
  clock.advance(2_000)
  await pass()
  assert.deepEqual(host.discarded, [{ workspaceId: id, bootId: former, slots: [] }])
  assert.ok(host.machines.has(id))
})

test('what was gone in between is a new stranger, with a grace of its own', async (t) => {
  const { host, pass, clock, id, former } = await setUp(t)
  const left = { workspaceId: id, bootId: former, slots: [] }
  host.leftOvers.push(left)
  await pass()
  clock.advance(50_000)
  host.leftOvers.length = 0
  await pass()
  host.leftOvers.push(left)
  clock.advance(20_000)
  await pass()
  assert.deepEqual(host.discarded, [])
})

test('a boot that the database has never heard of is left alone, running or not: then the database is the older one', async (t) => {
  const { host, pass, clock, id, workspaces, principal } = await setUp(t)
  const { spec } = host.machines.get(id) ?? assert.fail()
  await workspaces.stop(principal, id)
  const unknown = { workspaceId: id, bootId: 'boot_newer' }
  host.machines.set(id, { spec: { ...spec, ...unknown }, allowInternet: true, bootedAt: 0, isPaused: false })
  host.leftOvers.push({ workspaceId: id, bootId: 'boot_other', slots: [] })
  for (let time = 0; time < 3; time++) {
    await pass()
    clock.advance(61_000)
  }
  assert.deepEqual(host.discarded, [])
  assert.equal(host.machines.get(id)?.spec.bootId, 'boot_newer')
})

test('what a stopped workspace left of its last boot goes, and what it has of a new one stays', async (t) => {
  const { host, pass, clock, id, bootOf, workspaces, principal } = await setUp(t)
  await workspaces.stop(principal, id)
  const last = await bootOf(id)
  host.leftOvers.push({ workspaceId: id, bootId: last, slots: [] })
  await pass()
  clock.advance(61_000)
  await pass()
  assert.equal(host.discarded.at(-1)?.bootId, last)
  await workspaces.start(principal, id, { force: false })
  const count = host.discarded.length
  await pass()
  clock.advance(61_000)
  await pass()
  assert.equal(host.discarded.length, count)
  assert.ok(host.machines.has(id))
})

test('an address that somebody else has by now is not cleared', async (t) => {
  const { host, pass, clock, id, former, workspaces, principal } = await setUp(t)
  const other = await workspaces.create(principal, busybox, undefined)
  const { slot } = host.machines.get(other.id)?.spec ?? assert.fail()
  host.leftOvers.push({ workspaceId: id, bootId: former, slots: [slot, 60_000] })
  await pass()
  clock.advance(61_000)
  await pass()
  assert.deepEqual(host.discarded, [{ workspaceId: id, bootId: former, slots: [60_000] }])
})

test('an inventory that fails, a database that fails and one that says nothing reclaim nothing', async (t) => {
  const { host, pass, clock, control, id, former, workspaces, principal } = await setUp(t)
  const { id: deleted } = await workspaces.create(principal, busybox, undefined)
  await workspaces.remove(principal, deleted)
  host.leftOvers.push({ workspaceId: id, bootId: former, slots: [] })
  host.traces.add(deleted)
  await pass()
  clock.advance(61_000)
  host.knobs.inventoryFails = true
  await pass()
  host.knobs.inventoryFails = false
  const before = host.calls.length
  // An empty database: every workspace is unknown, and none was ever deleted.
  const { store } = (await (await createWorld(t)).plane()).control
  const reclaim = createReclaim({ ...control, store })
  for (let time = 0; time < 3; time++) {
    await reclaim()
    clock.advance(61_000)
  }
  await store.close()
  await assert.rejects(reclaim())
  assert.deepEqual(host.calls.slice(before), [])
  assert.ok(host.machines.has(id) && host.traces.has(deleted))
})

test('many former boots at once stop the pass', async (t) => {
  const { host, pass, clock, id, former, bootOf, workspaces, principal } = await setUp(t)
  const over = [former]
  for (let count = 0; count < 3; count++) {
    over.push(await bootOf(id))
    await workspaces.restart(principal, id)
  }
  host.leftOvers.push(...over.map((bootId) => ({ workspaceId: id, bootId, slots: [] })))
  await pass()
  clock.advance(61_000)
  await pass()
  assert.deepEqual(host.discarded, [])
  host.leftOvers.pop()
  await pass()
  assert.equal(host.discarded.length, 3)
})
