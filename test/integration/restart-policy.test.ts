/** What follows the end of a VM: by every policy, for every cause, and over restarts of daemon and host. */
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { AlcoveError } from '../../packages/server/src/lib/fail.ts'
import type { VmEnd, VmEndCause } from '../../packages/server/src/runner/runner.ts'
import * as events from '../../packages/server/src/store/events.ts'
import * as rows from '../../packages/server/src/store/workspaces.ts'
import { handleExit } from '../../packages/server/src/workspace/exited.ts'
import { createWorld, type Plane } from '../support/control.ts'
import { ManualClock } from '../support/manual-clock.ts'

async function setUp(t: TestContext, plans = {}, plan?: string) {
  const clock = new ManualClock()
  const world = await createWorld(t, plans, clock)
  const plane = await world.plane()
  const principal = await world.principal(plan)
  const make = (config = {}, mode: 'temporary' | 'permanent' = 'temporary') => plane.workspaces.create(principal, { image: 'busybox', mode, config })
  /** Lets time pass and does what is due by then. */
  const after = async (ms: number, on: Plane = plane) => {
    clock.advance(ms)
    await on.timers.sweep()
    await on.control.mailboxes.idle()
  }
  const crash = async (id: string, end?: VmEnd) => {
    world.host.crash(id, end)
    await plane.control.mailboxes.idle()
  }
  const row = async (id: string) => rows.findAny(world.store.db, id)
  const restarts = async (id: string) => (await plane.workspaces.lifecycle(principal, id)).restart_info ?? assert.fail('there is no restart_info')
  return { clock, world, plane, ...plane, principal, make, after, crash, row, restarts }
}

const failures: Record<VmEndCause, VmEnd['failure']> = {
  ...{ guest_poweroff: null, guest_reboot: null, guest_panic: 'guest_panic', vmm_killed: 'vm_exited', vmm_crashed: 'vm_exited' },
  ...{ oom: 'vm_oom', init_failed: 'init_failed', host_reboot: 'host_reboot', lost: 'vm_exited' },
}
const endOf = (cause: VmEndCause): VmEnd => ({ reason: `it ended: ${cause}`, cause, exitCode: 3, signal: null, failure: failures[cause] })
const broken = () => Promise.reject(new AlcoveError('START_FAILED', { message: 'no kernel' }))

for (const policy of ['no', 'always', 'on-failure'] as const) {
  test(`${policy}: every way a VM may end, and what follows`, async (t) => {
    const { make, crash, after, row, restarts } = await setUp(t)
    for (const cause of Object.keys(failures) as VmEndCause[]) {
      const { id } = await make({ restart_policy: policy })
      await crash(id, endOf(cause))
      const ended = await row(id)
      assert.deepEqual([ended?.status, ended?.failure?.code ?? null], ['stopped', failures[cause]], cause)
      const { last_exit } = await restarts(id)
      assert.deepEqual([last_exit?.cause, last_exit?.clean, last_exit?.exit_code, last_exit?.requested_by], [cause, failures[cause] === null, 3, null])
      await after(2_000)
      const isBack = policy === 'always' || (policy === 'on-failure' && failures[cause] !== null)
      assert.equal((await row(id))?.status, isBack ? 'running' : 'stopped', cause)
    }
  })
}

test('each restart waits twice as long as the last; one that was stable begins anew', async (t) => {
  const { clock, make, crash, after, row, restarts } = await setUp(t)
  const { id } = await make({ restart_policy: 'always' })
  for (const [count, ms] of [1_000, 2_000, 4_000, 8_000].entries()) {
    await crash(id)
    const info = await restarts(id)
    assert.deepEqual([info.restart_count, info.gave_up, Date.parse(info.next_attempt_at ?? '') - clock.now()], [count, false, ms])
    await after(ms - 1)
    assert.equal((await row(id))?.status, 'stopped')
    await after(1)
    assert.equal((await row(id))?.status, 'running')
  }
  await after(120_000)
  await crash(id)
  assert.equal(Date.parse((await restarts(id)).next_attempt_at ?? '') - clock.now(), 1_000)
})

test('after max_restarts the policy gives up, says so, and a start by the owner begins to count anew', async (t) => {
  const { world, workspaces, principal, make, crash, after, row, restarts } = await setUp(t)
  const { id } = await make({ restart_policy: 'on-failure', max_restarts: 2 })
  for (let round = 0; round < 2; round++) {
    await crash(id)
    await after(300_000)
  }
  await crash(id)
  await after(3_600_000)
  const info = await restarts(id)
  assert.deepEqual([info.gave_up, info.restart_count, info.max_restarts, info.next_attempt_at], [true, 2, 2, null])
  const last = (await events.listByWorkspace(world.store.db, id)).at(-1)
  assert.match(last?.reason ?? '', /used up its attempts/)
  await workspaces.start(principal, id)
  assert.deepEqual([(await row(id))?.restart_count, (await restarts(id)).gave_up], [0, false])
})

test('a restart that does not boot is tried again, later each time, until the policy gives up', async (t) => {
  const { world, make, crash, after, row, restarts } = await setUp(t)
  const { id } = await make({ restart_policy: 'always', max_restarts: 3 })
  await crash(id)
  world.host.knobs.onBoot = broken
  for (const [count, ms] of [1_000, 2_000, 4_000].entries()) {
    await after(ms)
    const failed = await row(id)
    assert.deepEqual([failed?.status, failed?.failure?.message, failed?.restart_count], ['failed', 'no kernel', count + 1])
  }
  assert.deepEqual([(await restarts(id)).gave_up, (await restarts(id)).last_exit?.cause], [true, 'boot_failed'])

  const { id: other } = await (async () => {
    world.host.knobs.onBoot = undefined
    return make({ restart_policy: 'always' })
  })()
  await crash(other)
  world.host.knobs.onBoot = broken
  await after(1_000)
  world.host.knobs.onBoot = undefined
  await after(2_000)
  assert.equal((await row(other))?.status, 'running')
})

test('a stop by the owner ends all restarting, also over a restart of the daemon', async (t) => {
  const { world, plane, workspaces, principal, make, crash, after, row } = await setUp(t)
  const [running, waiting, failing] = [
    await make({ restart_policy: 'always' }),
    await make({ restart_policy: 'always' }),
    await make({ restart_policy: 'always' }),
  ]
  await crash(waiting.id)
  await crash(failing.id)
  world.host.knobs.onBoot = broken
  await workspaces.stop(principal, waiting.id)
  await after(1_000)
  world.host.knobs.onBoot = undefined
  assert.equal((await row(failing.id))?.status, 'failed')
  for (const { id } of [running, failing]) await workspaces.stop(principal, id)
  plane.abandon()
  const next = await world.plane()
  await next.reconciler.recover()
  await after(3_600_000, next)
  for (const { id } of [running, waiting, failing]) {
    const { status, user_requested_stop, restart_at } = (await row(id)) ?? assert.fail(id)
    assert.deepEqual([status, user_requested_stop, restart_at], ['stopped', true, null])
  }
})

test('a restart that was due while no daemon ran is made by the next one, once', async (t) => {
  const { world, plane, make, after, crash, row } = await setUp(t)
  const { id } = await make({ restart_policy: 'always' })
  await crash(id)
  plane.abandon()
  const next = await world.plane()
  await next.reconciler.recover()
  await after(3_600_000, next)
  await after(1_000, next)
  assert.deepEqual([(await row(id))?.status, world.host.boots.length], ['running', 2])
})

test('a restart for which the pool has no room is put off and told, uses up no attempt, and is made when there is room', async (t) => {
  const one = { one: { running_pool: { cpus: 1, memory_mb: 512, disk_mb: 512 } } }
  const { world, workspaces, principal, make, crash, after, row, restarts } = await setUp(t, one, 'one')
  const { id } = await make({ restart_policy: 'always', max_restarts: 1 })
  await crash(id)
  const other = await make()
  for (let round = 0; round < 3; round++) await after(600_000)
  const info = await restarts(id)
  assert.deepEqual([(await row(id))?.status, info.restart_count, info.gave_up, info.next_attempt_at === null], ['stopped', 0, false, false])
  const told = (await events.listByWorkspace(world.store.db, id)).filter(({ type }) => type === 'restart')
  assert.deepEqual([told.length, told.every(({ reason }) => /put off: .*pool/.test(reason))], [3, true])
  await workspaces.remove(principal, other.id)
  await after(600_000)
  assert.equal((await row(id))?.status, 'running')
})

test('a restart that cannot begin is put off, not tried at every look', async (t) => {
  const { world, plane, make, crash, after, row, restarts } = await setUp(t)
  const { id } = await make({ restart_policy: 'always' })
  await crash(id)
  plane.abandon()
  const withoutPlans = await world.plane({}, undefined, ({ plans }) => ({
    plans: {
      ...plans,
      get: () => {
        throw new AlcoveError('service_unavailable', { message: 'no plans' })
      },
    },
  }))
  await after(1_000, withoutPlans)
  for (let look = 0; look < 5; look++) await after(500, withoutPlans)
  const told = (await events.listByWorkspace(world.store.db, id)).filter(({ type }) => type === 'restart')
  assert.deepEqual([told.length, (await restarts(id)).restart_count], [1, 0])
  await after(3_600_000, await world.plane())
  assert.equal((await row(id))?.status, 'running')
})

test('the end of an earlier boot does nothing to a later one', async (t) => {
  const { world, workspaces, principal, control, make, row } = await setUp(t)
  const { id } = await make()
  const earlier = (await row(id))?.boot_id ?? assert.fail()
  await workspaces.restart(principal, id)
  await handleExit(control, { workspaceId: id, bootId: earlier }, endOf('vmm_killed'))
  assert.deepEqual([(await row(id))?.status, world.host.machines.has(id)], ['running', true])
})

test('a VM with remove_on_exit is removed when it ends by itself, whatever its policy', async (t) => {
  const { world, make, crash, row } = await setUp(t)
  for (const cause of ['guest_poweroff', 'vmm_killed', 'host_reboot'] as const) {
    const { id } = await make({ remove_on_exit: true, restart_policy: 'always' })
    await crash(id, endOf(cause))
    assert.deepEqual([await row(id), world.host.traces.has(id)], [undefined, false])
    const last = (await events.listByWorkspace(world.store.db, id)).at(-1)
    assert.deepEqual([last?.type, last?.cause], ['deleted', 'remove_on_exit'])
  }
})

test('after a restart of the host come back those that should run, as they were; the others are told', async (t) => {
  const { clock, world, plane, workspaces, principal, make, after, row } = await setUp(t)
  const permanent = await make({}, 'permanent')
  const policied = await make({ restart_policy: 'on-failure' })
  const fixed = await make({ restart_policy: 'always', static_network: true })
  const plain = await make()
  const paused = await make({ restart_policy: 'always' })
  const stopped = await make({ restart_policy: 'always' })
  await workspaces.pause(principal, paused.id)
  await workspaces.stop(principal, stopped.id)
  plane.abandon()
  world.host.reboot()
  clock.reboot()
  clock.advance(60_000)
  const next = await world.plane()
  await next.reconciler.recover()
  await next.control.mailboxes.idle()
  await after(2_000, next)
  for (const before of [permanent, policied, fixed]) {
    const now = await next.workspaces.get(principal, before.id)
    assert.equal(now.status, 'running')
    if (before !== policied) assert.equal(now.ip, before.ip, 'a static address is kept')
  }
  for (const { id } of [plain, paused]) {
    const { status, failure, last_exit } = (await row(id)) ?? assert.fail(id)
    assert.deepEqual([status, failure?.code, last_exit?.cause], ['stopped', 'host_reboot', 'host_reboot'])
  }
  assert.equal((await row(stopped.id))?.failure, null)
  const history = await events.listByWorkspace(world.store.db, permanent.id)
  assert.deepEqual(
    history.slice(-3).map(({ to_status, cause }) => [to_status, cause]),
    ['stopped', 'starting', 'running'].map((status) => [status, 'host_reboot']),
  )
})
