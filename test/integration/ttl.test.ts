/** Times to live: each is over once, whoever was there to see it. */
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import * as events from '../../packages/server/src/store/events.ts'
import * as slots from '../../packages/server/src/store/slots.ts'
import * as rows from '../../packages/server/src/store/workspaces.ts'
import { createWorld } from '../support/control.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { asRequester } from '../support/requests.ts'
import { bring, closeGate, openGates } from '../support/states.ts'

async function setUp(t: TestContext) {
  const clock = new ManualClock()
  const world = await createWorld(t, {}, clock)
  const plane = await world.plane()
  const principal = await world.principal()
  const make = (config = {}, mode: 'temporary' | 'permanent' = 'temporary') => plane.workspaces.create(principal, { image: 'busybox', mode, config })
  const sweep = async (on = plane) => {
    await on.timers.sweep()
    await on.control.mailboxes.idle()
  }
  const status = async (id: string) => (await rows.findAny(world.store.db, id))?.status ?? 'gone'
  const causes = async (id: string) => (await events.listByWorkspace(world.store.db, id)).map(({ to_status, cause }) => `${to_status} ${cause}`)
  return { clock, world, plane, ...plane, principal, make, sweep, status, causes, by: () => asRequester(principal) }
}

const ends = { stop: 'stopped', remove: 'gone', pause: 'paused', suspend: 'paused' } as const
for (const action of ['stop', 'remove', 'pause', 'suspend'] as const) {
  test(`${action}: it is done when the time is over, not before, and once`, async (t) => {
    const { clock, world, make, sweep, status } = await setUp(t)
    const { id, expires_at } = await make({ ttl: '3s', ttl_action: action })
    assert.equal(Date.parse(expires_at ?? ''), clock.now() + 3_000)
    clock.advance(2_999)
    await sweep()
    assert.equal(await status(id), 'running')
    clock.advance(1)
    await Promise.all([sweep(), sweep()])
    assert.equal(await status(id), ends[action])
    const calls = world.host.calls.length
    clock.advance(3_600_000)
    await sweep()
    assert.equal(world.host.calls.length, calls)
  })

  test(`${action}: it is done by the next daemon when none ran as the time was over`, async (t) => {
    const { clock, world, plane, make, sweep, status, causes } = await setUp(t)
    const { id } = await make({ ttl: '3s', ttl_action: action })
    plane.abandon()
    clock.advance(3_600_000)
    const next = await world.plane()
    await next.reconciler.recover()
    await sweep(next)
    assert.equal(await status(id), ends[action])
    assert.ok((await causes(id)).some((cause) => cause.endsWith(' ttl')))
    const boots = world.host.boots.length
    await sweep(next)
    assert.deepEqual([await status(id), world.host.boots.length], [ends[action], boots])
  })
}

test('a workspace that was stopped at the end of its time may be started again, and has its whole time', async (t) => {
  const { clock, workspaces, principal, make, sweep, status } = await setUp(t)
  const { id } = await make({ ttl: '3s', restart_policy: 'always' })
  clock.advance(3_000)
  await sweep()
  const stopped = await workspaces.lifecycle(principal, id)
  assert.deepEqual([stopped.restart_policy, stopped.expires_at, stopped.restart_info?.last_exit?.cause], ['no', null, 'ttl'])
  assert.equal(Date.parse((await workspaces.start(principal, id)).expires_at ?? ''), clock.now() + 3_000)
  clock.advance(2_999)
  await sweep()
  assert.equal(await status(id), 'running')
})

test('a ping begins the time anew, with another length if it gives one; at rest it is refused', async (t) => {
  const { clock, service, make, sweep, status, by } = await setUp(t)
  const { id } = await make({ ttl: '3s' })
  clock.advance(2_000)
  assert.equal(Date.parse((await service.ping(by(), id, {})) ?? ''), clock.now() + 3_000)
  clock.advance(2_000)
  await sweep()
  assert.equal(await status(id), 'running')
  assert.equal(Date.parse((await service.ping(by(), id, { ttl_seconds: 60 })) ?? ''), clock.now() + 60_000)
  clock.advance(59_999)
  await sweep()
  assert.equal(await status(id), 'running')
  clock.advance(1)
  await sweep()
  assert.equal(await status(id), 'stopped')
  await assert.rejects(service.ping(by(), id, {}), { code: 'vm_not_running' })
})

test('a ping and the end of the time at the same moment: renewed and alive, or refused and over', async (t) => {
  const { clock, service, control, timers, make, status, by, workspaces, principal } = await setUp(t)
  const { id } = await make({ ttl: '3s' })
  const seen = { renewed: 0, over: 0 }
  for (let round = 0; round < 1_000; round++) {
    clock.advance(3_000)
    const sweep = timers.sweep()
    // Both orders, and every step of the sweep in between.
    for (let turn = 0; turn < round % 12; turn++) await (turn % 2 === 0 ? Promise.resolve() : new Promise(setImmediate))
    const due = await service.ping(by(), id, {}).catch((error) => assert.equal(error.code, 'vm_not_running'))
    await sweep
    await control.mailboxes.idle()
    if (due) {
      assert.deepEqual([await status(id), Date.parse(due)], ['running', clock.now() + 3_000])
      seen.renewed++
    } else {
      assert.equal(await status(id), 'stopped')
      await workspaces.start(principal, id)
      seen.over++
    }
  }
  assert.ok(seen.renewed > 50 && seen.over > 50, JSON.stringify(seen))
})

test('a permanent workspace has no time to live, loses the one it had, and keeps its address when it is stopped', async (t) => {
  const { clock, world, workspaces, service, principal, make, sweep, status, by } = await setUp(t)
  const { id, ip } = await make({ ttl: '3s', ttl_action: 'remove', remove_on_exit: true })
  const permanent = await service.makePermanent(by(), id, {})
  assert.deepEqual([permanent.mode, permanent.expires_at], ['permanent', undefined])
  const lifecycle = await workspaces.lifecycle(principal, id)
  assert.deepEqual([lifecycle.ttl, lifecycle.ttl_action, lifecycle.remove_on_exit, lifecycle.restart_policy], [null, null, false, 'always'])
  clock.advance(3_600_000)
  await sweep()
  assert.equal(await status(id), 'running')
  for (const refused of [service.setTtl(by(), id, { ttl: '1h' }), service.ping(by(), id, { ttl_seconds: 60 })])
    await assert.rejects(refused, { code: 'conflict' })
  assert.equal(await service.ping(by(), id, {}), null)
  assert.equal((await workspaces.stop(principal, id)).ip, ip)
  const temporary = await service.makeTemporary(by(), id, { ttl: '1h' })
  assert.deepEqual([temporary.mode, temporary.ip, temporary.expires_at, await slots.listHeld(world.store.db)], ['temporary', '', undefined, []])
  assert.equal(Date.parse((await workspaces.start(principal, id)).expires_at ?? ''), clock.now() + 3_600_000)
})

test('a permanent workspace that is stopped gets an address of its own', async (t) => {
  const { workspaces, service, principal, make, by } = await setUp(t)
  const { id } = await make()
  await workspaces.stop(principal, id)
  const { ip } = await service.makePermanent(by(), id, { restart_policy: 'no' })
  assert.notEqual(ip, '')
  assert.deepEqual([(await workspaces.start(principal, id)).ip, (await workspaces.lifecycle(principal, id)).restart_policy], [ip, 'no'])
})

test('a time to live is over on time after twenty restarts of the daemon', async (t) => {
  const { clock, world, plane, make, sweep, status } = await setUp(t)
  const { id } = await make({ ttl: '100s' })
  let daemon = plane
  for (let restart = 0; restart < 20; restart++) {
    daemon.abandon()
    clock.advance(4_999)
    daemon = await world.plane()
    await daemon.reconciler.recover()
    await sweep(daemon)
    assert.equal(await status(id), 'running')
  }
  clock.advance(20)
  await sweep(daemon)
  assert.equal(await status(id), 'stopped')
  assert.equal(world.host.boots.length, 1)
})

test('a workspace that has thirty days to live is alive after a minute, and after thirty days it is not', async (t) => {
  const { clock, make, sweep, status } = await setUp(t)
  const { id } = await make({ ttl: '30d' })
  clock.advance(60_000)
  await sweep()
  assert.equal(await status(id), 'running')
  clock.advance(30 * 86_400_000 - 60_001)
  await sweep()
  assert.equal(await status(id), 'running')
  clock.advance(1)
  await sweep()
  assert.equal(await status(id), 'stopped')
})

test('remove_on_exit removes a workspace that is stopped by its owner or by its time, and not one that is restarted', async (t) => {
  const { clock, workspaces, principal, make, sweep, status, world } = await setUp(t)
  const [stopped, expired, restarted] = [
    await make({ remove_on_exit: true }),
    await make({ remove_on_exit: true, ttl: '3s' }),
    await make({ remove_on_exit: true }),
  ]
  await workspaces.stop(principal, stopped.id)
  await workspaces.restart(principal, restarted.id)
  clock.advance(3_000)
  await sweep()
  assert.deepEqual([await status(stopped.id), await status(expired.id), await status(restarted.id)], ['gone', 'gone', 'running'])
  assert.deepEqual([[...world.host.traces], (await slots.listHeld(world.store.db)).length], [[restarted.id], 1])
})

test('a time that is over while the workspace moves is acted on when it has come to rest', async (t) => {
  const { clock, world, plane, principal, service, control, sweep, status, by } = await setUp(t)
  const { id, release } = await bring(world, plane, principal, 'pausing')
  await service.setTtl(by(), id, { ttl: '3s', ttl_action: 'stop' })
  clock.advance(3_000)
  await plane.timers.sweep()
  assert.equal(await status(id), 'pausing')
  release()
  await control.mailboxes.idle()
  await sweep()
  assert.equal(await status(id), 'stopped')
})

test('a time that is over while nobody finishes a move is not forgotten', async (t) => {
  const { clock, world, plane, principal, service, sweep, status, by } = await setUp(t)
  const { id } = await bring(world, plane, principal, 'pausing')
  await service.setTtl(by(), id, { ttl: '3s', ttl_action: 'stop' })
  plane.abandon()
  openGates(world)
  clock.advance(3_000)
  const next = await world.plane()
  await sweep(next)
  assert.equal(await status(id), 'pausing')
  await next.reconciler.recover()
  await next.control.mailboxes.idle()
  await sweep(next)
  assert.equal(await status(id), 'stopped')
})

test('an update of the time to live counts from now, also while the workspace is being paused', async (t) => {
  const { clock, world, plane, principal, workspaces } = await setUp(t)
  const { id, release, move } = await bring(world, plane, principal, 'pausing')
  await workspaces.update(principal, id, { config: { ttl: '1h' } })
  release()
  await move?.outcome
  assert.equal(Date.parse((await workspaces.get(principal, id)).expires_at ?? ''), clock.now() + 3_600_000)
})

test('an action that fails at the end of a time is tried again', async (t) => {
  const { clock, world, make, sweep, status } = await setUp(t)
  const { id } = await make({ ttl: '3s', ttl_action: 'pause' })
  world.host.knobs.onPause = () => Promise.reject(new Error('no answer'))
  clock.advance(3_000)
  await sweep()
  assert.equal(await status(id), 'running')
  const gate = closeGate(world)
  clock.advance(29_999)
  await sweep()
  assert.equal(await status(id), 'running')
  clock.advance(1)
  gate.open()
  openGates(world)
  await sweep()
  assert.equal(await status(id), 'paused')
})
