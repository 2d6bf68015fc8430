/** The clock of the host is set: what is due is due after the same time all the same. */
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import * as rows from '../../packages/server/src/store/workspaces.ts'
import { createWorld, type Plane } from '../support/control.ts'
import { CrashPoints } from '../support/crash-points.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { asRequester } from '../support/requests.ts'
import { bring } from '../support/states.ts'

const hour = 3_600_000
const jumps = { '+1 h': hour, '-1 h': -hour, '-1 day': -24 * hour, '+1 year': 365 * 24 * hour }

async function setUp(t: TestContext) {
  const clock = new ManualClock()
  const world = await createWorld(t, {}, clock)
  const plane = await world.plane()
  const principal = await world.principal()
  const sweep = async (on: Plane = plane) => {
    await on.timers.sweep()
    await on.control.mailboxes.idle()
  }
  const next = async () => {
    const another = await world.plane()
    await another.reconciler.recover()
    await another.control.mailboxes.idle()
    return another
  }
  /** One that lives for a minute, and one that is started again in a second. */
  async function begin() {
    const mortal = await plane.workspaces.create(principal, { image: 'busybox', config: { ttl: '60s' } })
    const crashed = await plane.workspaces.create(principal, { image: 'busybox', config: { restart_policy: 'always' } })
    await sweep()
    world.host.crash(crashed.id)
    await plane.control.mailboxes.idle()
    return { mortal: mortal.id, crashed: crashed.id }
  }
  const statuses = async (ids: object) => Promise.all(Object.values(ids).map(async (id) => (await rows.findAny(world.store.db, id))?.status))
  return { clock, world, plane, principal, sweep, next, begin, statuses }
}

for (const [name, ms] of Object.entries(jumps)) {
  test(`${name} while the daemon runs: nothing is early, nothing is late`, async (t) => {
    const { clock, plane, principal, sweep, begin, statuses } = await setUp(t)
    const ids = await begin()
    clock.jump(ms)
    await Promise.all([plane.reconciler.pass(), sweep()])
    assert.deepEqual(await statuses(ids), ['running', 'stopped'])
    clock.advance(1_000)
    await sweep()
    assert.deepEqual(await statuses(ids), ['running', 'running'])
    const shown = await plane.workspaces.get(principal, ids.mortal)
    assert.deepEqual([Date.parse(shown.expires_at ?? '') - clock.now(), shown.uptime], [59_000, 1])
    clock.advance(58_999)
    await sweep()
    assert.deepEqual(await statuses(ids), ['running', 'running'])
    clock.advance(1)
    await sweep()
    assert.deepEqual(await statuses(ids), ['stopped', 'running'])
  })

  test(`${name} while no daemon runs: nothing is early, nothing is late`, async (t) => {
    const { clock, plane, sweep, next, begin, statuses } = await setUp(t)
    const ids = await begin()
    plane.abandon()
    clock.advance(500)
    clock.jump(ms)
    clock.advance(499)
    const second = await next()
    await sweep(second)
    assert.deepEqual(await statuses(ids), ['running', 'stopped'])
    second.abandon()
    clock.advance(58_999)
    const third = await next()
    await sweep(third)
    assert.deepEqual(await statuses(ids), ['running', 'running'])
    clock.advance(2)
    await sweep(third)
    assert.deepEqual(await statuses(ids), ['stopped', 'running'])
  })

  test(`${name} is made up for once, although the daemon dies at that moment`, async (t) => {
    const { clock, world, begin, sweep, next, statuses } = await setUp(t)
    const ids = await begin()
    clock.jump(ms)
    for (const at of [0, 1, 0, 1]) {
      const points = new CrashPoints()
      const dying = await world.plane({}, undefined, points.wrap)
      points.arm(at)
      // One that comes after it was made up for has nothing to do, and does not get as far as that.
      await Promise.race([points.died, dying.timers.sweep()])
      dying.abandon()
    }
    const last = await next()
    await Promise.all([sweep(last), last.reconciler.pass()])
    assert.deepEqual(await statuses(ids), ['running', 'stopped'])
    clock.advance(59_999)
    await sweep(last)
    assert.deepEqual(await statuses(ids), ['running', 'running'])
    clock.advance(1)
    await sweep(last)
    assert.deepEqual(await statuses(ids), ['stopped', 'running'])
  })
}

test('the clock goes back over a restart of the host: a time to live is not longer for it', async (t) => {
  const { clock, world, plane, principal, sweep, next } = await setUp(t)
  const { id } = await plane.workspaces.create(principal, { image: 'busybox', config: { ttl: '60s', ttl_action: 'remove' } })
  await sweep()
  plane.abandon()
  world.host.reboot()
  clock.reboot()
  clock.jump(-24 * hour)
  const second = await next()
  await sweep(second)
  assert.equal((await rows.findAny(world.store.db, id))?.status, 'stopped')
  clock.advance(61_000)
  await sweep(second)
  assert.equal(await rows.findAny(world.store.db, id), undefined)
})

test('a jump makes no move overdue', async (t) => {
  const { clock, world, plane, principal } = await setUp(t)
  await plane.timers.sweep()
  const { id, release, move } = await bring(world, plane, principal, 'starting')
  clock.jump(hour)
  await plane.reconciler.pass()
  release()
  await move?.outcome
  assert.equal((await rows.findAny(world.store.db, id))?.status, 'running')
})

test('a jump does not make a VM stable, nor an idempotency key old', async (t) => {
  const { clock, world, plane, principal, sweep } = await setUp(t)
  const key = { key: 'k', requestHash: 'h' }
  const { id } = await plane.workspaces.create(principal, { image: 'busybox', config: { restart_policy: 'always' } }, key)
  const crash = async () => {
    world.host.crash(id)
    await plane.control.mailboxes.idle()
  }
  await sweep()
  await crash()
  clock.advance(1_000)
  await sweep()
  clock.jump(48 * hour)
  await plane.reconciler.pass()
  await crash()
  assert.equal((await plane.workspaces.lifecycle(principal, id)).restart_info?.restart_count, 1)
  assert.equal((await plane.workspaces.create(principal, { image: 'busybox', config: {} }, key)).id, id)
})

for (const [name, ms] of Object.entries(jumps)) {
  test(`${name}: a time that is asked for before the daemon has noticed is as long as it was asked for`, async (t) => {
    const { clock, plane, principal, sweep } = await setUp(t)
    const { id } = await plane.workspaces.create(principal, { image: 'busybox', config: { ttl: '1h' } })
    const status = async () => (await plane.workspaces.get(principal, id)).status
    await sweep()
    clock.jump(ms)
    await plane.service.setTtl(asRequester(principal), id, { ttl: '60s' })
    await sweep()
    clock.advance(59_999)
    await sweep()
    assert.equal(await status(), 'running')
    clock.advance(1)
    await sweep()
    assert.equal(await status(), 'stopped')
  })
}
