import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { AlcoveError } from '../../packages/server/src/lib/fail.ts'
import * as events from '../../packages/server/src/store/events.ts'
import * as slots from '../../packages/server/src/store/slots.ts'
import * as rows from '../../packages/server/src/store/workspaces.ts'
import { createWorld } from '../support/control.ts'

const busybox = { image: 'busybox', config: {} }
const three = {
  three: {
    maxSandboxes: 3,
    pool: { cpus: 100, memory_mb: 1_000_000, disk_mb: 1_000_000 },
    running_pool: { cpus: 100, memory_mb: 1_000_000, disk_mb: 1_000_000 },
  },
}

async function setUp(t: TestContext, plans = {}, plan?: string) {
  const world = await createWorld(t, plans)
  const plane = await world.plane()
  return { world, plane, ...plane, principal: await world.principal(plan) }
}

/** Everything that a workspace may leave: rows, slots, traces on the host. */
async function remains({ world }: Awaited<ReturnType<typeof setUp>>) {
  return {
    rows: await rows.listIds(world.store.db),
    slots: (await slots.listHeld(world.store.db)).length,
    traces: [...world.host.traces],
    machines: world.host.machines.size,
  }
}
const nothing = { rows: [], slots: 0, traces: [], machines: 0 }

test('twenty creates at once against a limit of three give exactly three, and the refused leave nothing', async (t) => {
  const setup = await setUp(t, three, 'three')
  const outcomes = await Promise.allSettled(Array.from({ length: 20 }, () => setup.workspaces.create(setup.principal, busybox, undefined)))
  const made = outcomes.filter((outcome) => outcome.status === 'fulfilled')
  assert.equal(made.length, 3)
  for (const outcome of outcomes) if (outcome.status === 'rejected') assert.equal(outcome.reason.code, 'SANDBOX_LIMIT_REACHED')
  const left = await remains(setup)
  assert.deepEqual([left.rows.length, left.slots, left.machines], [3, 3, 3])
  assert.equal((await setup.workspaces.quota(setup.principal)).currentSandboxes, 3)
})

test('a mistake in the config is told before an image that is not there, and that before a limit', async (t) => {
  const { workspaces, principal } = await setUp(t, { none: { maxSandboxes: 0 } }, 'none')
  const proxy = { config: { proxy_assignment_id: 7 } }
  await assert.rejects(workspaces.create(principal, { image: 'nothing', ...proxy }, undefined), { code: 'INVALID_CONFIG' })
  await assert.rejects(workspaces.create(principal, { image: 'nothing', config: {} }, undefined), { code: 'INVALID_IMAGE' })
  await assert.rejects(workspaces.create(principal, { image: 'busybox', config: { cpus: 33 } }, undefined), { code: 'RESOURCE_NOT_ALLOWED' })
  await assert.rejects(workspaces.create(principal, busybox, undefined), { code: 'SANDBOX_LIMIT_REACHED' })
})

test('a create whose boot fails leaves nothing behind and says why', async (t) => {
  const setup = await setUp(t)
  setup.world.host.knobs.onBoot = async () => {
    throw new AlcoveError('START_FAILED', { message: 'no answer\nconsole: panic' })
  }
  await assert.rejects(setup.workspaces.create(setup.principal, busybox, { key: 'k', requestHash: 'h' }), { code: 'CREATE_FAILED', message: /console: panic/ })
  assert.deepEqual(await remains(setup), nothing)
  setup.world.host.knobs.onBoot = undefined
  const again = await setup.workspaces.create(setup.principal, busybox, { key: 'k', requestHash: 'h' })
  assert.equal(again.info.status, 'running')
})

test('the same idempotency key makes one workspace, also at the same time; with another request it is refused', async (t) => {
  const { workspaces, principal, world } = await setUp(t)
  const key = { key: 'one', requestHash: 'a' }
  const made = await Promise.all(Array.from({ length: 10 }, () => workspaces.create(principal, busybox, key)))
  assert.equal(new Set(made.map((workspace) => workspace.id)).size, 1)
  assert.equal(world.host.boots.length, 1)
  await assert.rejects(workspaces.create(principal, busybox, { key: 'one', requestHash: 'b' }), { code: 'idempotency_mismatch' })
  const other = await world.principal()
  assert.notEqual((await workspaces.create(other, busybox, key)).id, made[0]?.id)
})

test('a create that takes longer than its answer may is told as creating, and ends by itself', async (t) => {
  const world = await createWorld(t)
  const { workspaces, control } = await world.plane({ answerBudgetMs: 20 })
  const principal = await world.principal()
  const { promise, resolve } = Promise.withResolvers<void>()
  world.host.knobs.onBoot = () => promise
  const early = await workspaces.create(principal, busybox, undefined)
  assert.equal(early.info.status, 'creating')
  assert.equal(early.provisioning?.state, 'running')
  assert.equal(early.ready, false)
  resolve()
  await control.mailboxes.idle()
  const late = await workspaces.get(principal, early.id)
  assert.deepEqual([late.info.status, late.provisioning, late.ready], ['running', undefined, true])
})

test('a create that fails after it was told stays as failed, and may be started or deleted', async (t) => {
  const world = await createWorld(t)
  const { workspaces, control } = await world.plane({ answerBudgetMs: 20 })
  const principal = await world.principal()
  const { promise, reject } = Promise.withResolvers<void>()
  world.host.knobs.onBoot = () => promise
  const { id } = await workspaces.create(principal, busybox, undefined)
  reject(new AlcoveError('START_FAILED', { message: 'no kernel' }))
  await control.mailboxes.idle()
  const failed = await workspaces.get(principal, id)
  assert.equal(failed.info.status, 'failed')
  assert.deepEqual(failed.provisioning?.error, { code: 'CREATE_FAILED', message: 'no kernel' })
  world.host.knobs.onBoot = undefined
  assert.equal((await workspaces.start(principal, id, { force: false })).info.status, 'running')
  await workspaces.remove(principal, id)
})

test('delete wins over a create in progress and leaves nothing behind', async (t) => {
  const setup = await setUp(t)
  const { workspaces, principal, world } = setup
  const begun = Promise.withResolvers<string>()
  world.host.knobs.onBoot = (spec, signal) =>
    new Promise((_, reject) => {
      begun.resolve(spec.workspaceId)
      signal.addEventListener('abort', () => reject(signal.reason))
    })
  const create = workspaces.create(principal, busybox, undefined)
  create.catch(() => {})
  await workspaces.remove(principal, await begun.promise)
  await assert.rejects(create, { code: 'conflict' })
  assert.deepEqual(await remains(setup), nothing)
})

test('stop gives up a start in progress and ends stopped', async (t) => {
  const { workspaces, principal, world } = await setUp(t)
  const { id } = await workspaces.create(principal, busybox, undefined)
  await workspaces.stop(principal, id)
  const begun = Promise.withResolvers<void>()
  world.host.knobs.onBoot = (_, signal) =>
    new Promise((_resolve, reject) => {
      begun.resolve()
      signal.addEventListener('abort', () => reject(signal.reason))
    })
  const start = workspaces.start(principal, id, { force: false })
  start.catch(() => {})
  await begun.promise
  const stopped = await workspaces.stop(principal, id)
  await assert.rejects(start, { code: 'conflict' })
  assert.deepEqual([stopped.info.status, stopped.info.user_requested_stop, stopped.ip], ['stopped', true, ''])
  assert.equal(world.host.machines.size, 0)
})

test('start, stop and restart are idempotent; a dynamic address is given back, a static one kept', async (t) => {
  const { workspaces, principal, world } = await setUp(t)
  const dynamic = await workspaces.create(principal, busybox, undefined)
  const fixed = await workspaces.create(principal, { ...busybox, config: { static_network: true } }, undefined)
  assert.notEqual(dynamic.ip, fixed.ip)
  for (const { id } of [dynamic, fixed]) {
    await workspaces.stop(principal, id)
    await workspaces.stop(principal, id)
  }
  assert.equal((await workspaces.get(principal, dynamic.id)).ip, '')
  assert.equal((await workspaces.get(principal, fixed.id)).ip, fixed.ip)
  await workspaces.start(principal, fixed.id, { force: false })
  const boots = world.host.boots.length
  const again = await workspaces.start(principal, fixed.id, { force: false })
  assert.equal(world.host.boots.length, boots)
  assert.equal(again.ip, fixed.ip)
  const restarted = await workspaces.restart(principal, fixed.id)
  assert.equal(restarted.info.status, 'running')
  assert.equal(world.host.boots.length, boots + 1)
})

test('a start against a full running pool is refused and changes nothing', async (t) => {
  const { workspaces, principal } = await setUp(t, { small: { running_pool: { cpus: 1, memory_mb: 512, disk_mb: 512 } } }, 'small')
  const first = await workspaces.create(principal, busybox, undefined)
  await assert.rejects(workspaces.create(principal, busybox, undefined), { code: 'RUNNING_POOL_REACHED' })
  await workspaces.stop(principal, first.id)
  const second = await workspaces.create(principal, busybox, undefined)
  await assert.rejects(workspaces.start(principal, first.id, { force: false }), { code: 'RUNNING_POOL_REACHED' })
  assert.equal((await workspaces.get(principal, first.id)).info.status, 'stopped')
  await workspaces.remove(principal, second.id)
  assert.equal((await workspaces.start(principal, first.id, { force: false })).info.status, 'running')
})

test('a VM that dies by itself ends as stopped with the reason; one that powered off is no failure', async (t) => {
  const { workspaces, principal, world, control } = await setUp(t)
  const crashed = await workspaces.create(principal, busybox, undefined)
  const off = await workspaces.create(principal, busybox, undefined)
  world.host.crash(crashed.id)
  world.host.crash(off.id, { reason: 'powered off by the guest', cause: 'guest_poweroff', exitCode: 0, signal: null, failure: null })
  await control.mailboxes.idle()
  assert.match((await workspaces.get(principal, crashed.id)).info.failure?.message ?? '', /SIGKILL/)
  const clean = await workspaces.get(principal, off.id)
  assert.deepEqual([clean.info.status, clean.info.failure, clean.info.user_requested_stop], ['stopped', undefined, false])
})

test('an update merges the config, says what waits for a restart, and acts on the network at once', async (t) => {
  const { workspaces, principal, world } = await setUp(t)
  const { id } = await workspaces.create(principal, { ...busybox, config: { env: [{ key: 'A', value: '1' }] } }, undefined)
  const live = await workspaces.update(principal, id, { name: 'new', config: { network_config: { allow_internet: false, public_ingress: false } } })
  assert.deepEqual([live.workspace.name, live.restartRequired, world.host.machines.get(id)?.allowInternet], ['new', false, false])
  const waits = await workspaces.update(principal, id, { config: { memory_mb: 1024 } })
  assert.deepEqual([waits.restartRequired, waits.workspace.resources.memory_mb, waits.workspace.info.restart_required], [true, 1024, true])
  const details = await workspaces.details(principal, id)
  assert.deepEqual([details.config.env, details.config.memory_mb, details.config.network_config.allow_internet], [[{ key: 'A', value: '1' }], 1024, false])
  assert.equal((await workspaces.restart(principal, id)).info.restart_required, undefined)
  assert.equal(world.host.boots.at(-1)?.memoryMib, 1024)
  await assert.rejects(workspaces.update(principal, id, { config: { writable_size_mb: 64 } }), {
    code: 'INVALID_CONFIG',
    details: { field: 'config.writable_size_mb', min: 512 },
  })
  await assert.rejects(workspaces.update(principal, id, { config: { proxy_assignment_id: 7 } }), { code: 'INVALID_CONFIG' })
})

test('what is not in the account is not found, whatever the verb', async (t) => {
  const { workspaces, principal, world } = await setUp(t)
  const { id } = await workspaces.create(principal, busybox, undefined)
  const other = await world.principal()
  const verbs = [
    () => workspaces.get(other, id),
    () => workspaces.details(other, id),
    () => workspaces.update(other, id, { name: 'x' }),
    () => workspaces.start(other, id, { force: false }),
    () => workspaces.stop(other, id),
    () => workspaces.restart(other, id),
    () => workspaces.remove(other, id),
    () => workspaces.logs(other, id, { source: 'cmd', tail_lines: 1 }),
    () => workspaces.stats(other, id),
  ]
  for (const verb of verbs) await assert.rejects(verb(), { code: 'not_found' })
  assert.equal((await workspaces.get(principal, id)).info.status, 'running')
})

test('after the daemon died, running VMs are taken up, half-done work is finished, and the lost are told', async (t) => {
  const { world, plane, workspaces, principal } = await setUp(t)
  const kept = await workspaces.create(principal, busybox, undefined)
  const lost = await workspaces.create(principal, busybox, undefined)
  const stuck = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<string>()
  world.host.knobs.onBoot = (spec) => {
    begun.resolve(spec.workspaceId)
    return stuck.promise
  }
  workspaces.create(principal, busybox, undefined).catch(() => {})
  const creating = await begun.promise
  plane.abandon()
  world.host.machines.delete(lost.id)
  world.host.knobs.onBoot = undefined

  const next = await world.plane()
  await next.reconciler.recover()
  await next.control.mailboxes.idle()
  const list = await next.workspaces.list(principal, { page: 1, limit: 20 })
  const status = Object.fromEntries(list.workspaces.map((workspace) => [workspace.id, workspace.info.status]))
  assert.deepEqual(status, { [kept.id]: 'running', [lost.id]: 'stopped', [creating]: 'running' })
  assert.equal(world.host.boots.filter((spec) => spec.workspaceId === kept.id).length, 1)
  const history = await events.listByWorkspace(world.store.db, creating)
  assert.deepEqual(
    history.map((event) => event.to_status),
    ['creating', 'running'],
  )
})

test('a delete that the daemon did not finish is finished by the next one', async (t) => {
  const setup = await setUp(t)
  const { world, plane, workspaces, principal } = setup
  const { id } = await workspaces.create(principal, busybox, undefined)
  const begun = Promise.withResolvers<void>()
  world.host.knobs.onShutdown = () => {
    begun.resolve()
    return new Promise(() => {})
  }
  workspaces.remove(principal, id).catch(() => {})
  await begun.promise
  plane.abandon()
  world.host.knobs.onShutdown = undefined
  const next = await world.plane()
  await next.reconciler.recover()
  await next.control.mailboxes.idle()
  assert.deepEqual(await remains(setup), nothing)
})
