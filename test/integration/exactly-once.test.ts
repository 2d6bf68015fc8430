/** A request with an idempotency key is done once, whatever dies in between. */
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { AlcoveError } from '../../packages/server/src/lib/fail.ts'
import * as operations from '../../packages/server/src/store/operations.ts'
import * as rows from '../../packages/server/src/store/workspaces.ts'
import type { PowerVerb } from '../../packages/server/src/workspace/verbs.ts'
import { createWorld, type Plane } from '../support/control.ts'
import { CrashPoints } from '../support/crash-points.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { asRequester } from '../support/requests.ts'
import { bring, closeGate, openGates } from '../support/states.ts'

const busybox = { image: 'busybox', config: {} }

async function setUp(t: TestContext) {
  const clock = new ManualClock()
  const world = await createWorld(t, {}, clock)
  const plane = await world.plane()
  const principal = await world.principal()
  /** A request to do a verb, as the API makes it. */
  const ask = (on: Plane, id: string, verb: PowerVerb | 'delete', { key = 'k', requestHash = id + verb } = {}) =>
    on.exactlyOnce.run({ accountId: principal.accountId, operation: verb, key, requestHash }, async (execution) => {
      const requester = asRequester(principal, execution)
      const body = verb === 'delete' ? await on.service.remove(requester, id) : (await on.service.perform(requester, id, verb)).operationId
      return { status: 200, body }
    })
  /** A create with a key, as the API makes it. */
  const create = (on: Plane, key = 'k') =>
    on.exactlyOnce.run({ accountId: principal.accountId, operation: 'create', key, requestHash: 'h' }, async (execution) => ({
      status: 201,
      body: (await on.service.create(asRequester(principal, execution), busybox)).workspace,
    }))
  const restart = async () => {
    const next = await world.plane()
    await next.reconciler.recover()
    await next.control.mailboxes.idle()
    return next
  }
  return { clock, world, plane, ...plane, principal, ask, create, restart }
}

test('a restart with one key is one restart, also after the daemon was restarted, and the answer is the stored one', async (t) => {
  const { world, plane, workspaces, principal, ask, restart } = await setUp(t)
  const { id } = await workspaces.create(principal, busybox)
  const answers = await Promise.all([ask(plane, id, 'restart'), ask(plane, id, 'restart')])
  const next = await restart()
  answers.push(await ask(next, id, 'restart'))
  assert.equal(new Set(answers.map(({ body }) => body)).size, 1)
  assert.deepEqual(
    answers.map(({ isReplay }) => isReplay),
    [false, true, true],
  )
  assert.equal(world.host.boots.length, 2)
  await ask(next, id, 'restart', { key: 'another' })
  assert.equal(world.host.boots.length, 3)
})

test('a key that comes with another request is refused, also while the first is under way', async (t) => {
  const { world, plane, workspaces, principal, ask, restart } = await setUp(t)
  const { id } = await workspaces.create(principal, busybox)
  const gate = closeGate(world)
  const first = ask(plane, id, 'restart')
  await gate.reached
  await assert.rejects(ask(plane, id, 'restart', { requestHash: 'other' }), { code: 'idempotency_mismatch' })
  openGates(world)
  gate.open()
  await first
  await assert.rejects(ask(await restart(), id, 'restart', { requestHash: 'other' }), { code: 'idempotency_mismatch' })
})

for (const verb of ['restart', 'pause', 'stop', 'delete'] as const) {
  test(`a ${verb} that is sent again after the daemon died anywhere is done once`, async (t) => {
    const { world, plane, workspaces, principal, ask, restart } = await setUp(t)
    let at = 0
    for (; ; at++) {
      const { id } = await workspaces.create(principal, busybox)
      const boots = world.host.boots.length
      const points = new CrashPoints()
      const dying = await world.plane({}, undefined, points.wrap)
      points.arm(at)
      const key = `${verb}-${at}`
      const isDead = await Promise.race([points.died.then(() => true), ask(dying, id, verb, { key }).then(() => false)])
      dying.abandon()
      const next = isDead ? await restart() : plane
      const { body } = await ask(next, id, verb, { key })
      assert.equal((await operations.find(world.store.db, body as string))?.status, 'succeeded', `cut off at ${at}`)
      const history = await operations.listByWorkspace(world.store.db, { accountId: principal.accountId, workspaceId: id, limit: 10 })
      assert.deepEqual(history.map((operation) => operation.verb).sort(), ['create', verb].sort(), `cut off at ${at}`)
      assert.ok(world.host.boots.length - boots <= (verb === 'restart' ? 2 : 0), `cut off at ${at}: a boot that was finished is not made again`)
      next.abandon()
      if (!isDead) break
    }
    assert.ok(at >= 6, `${at} places`)
  })
}

test('a create that is sent again after the daemon died anywhere makes one workspace', async (t) => {
  const { world, create, restart } = await setUp(t)
  for (let at = 0; ; at++) {
    const points = new CrashPoints()
    const dying = await world.plane({}, undefined, points.wrap)
    points.arm(at)
    const key = `create-${at}`
    const isDead = await Promise.race([points.died.then(() => true), create(dying, key).then(() => false)])
    dying.abandon()
    const next = await restart()
    const { status, body } = await create(next, key)
    assert.deepEqual([status, (body as { status: string }).status], [201, 'running'])
    assert.equal((await rows.listIds(world.store.db)).length, at + 1, `cut off at ${at}`)
    next.abandon()
    if (!isDead) return assert.ok(at >= 6, `${at} places`)
  }
})

test('a request that failed did nothing that counts: its key is free again', async (t) => {
  const { world, plane, workspaces, principal, ask } = await setUp(t)
  const { id } = await workspaces.create(principal, busybox)
  world.host.knobs.onPause = () => Promise.reject(new AlcoveError('VM_UNAVAILABLE'))
  await assert.rejects(ask(plane, id, 'pause'), { code: 'VM_UNAVAILABLE' })
  world.host.knobs.onPause = undefined
  assert.equal((await ask(plane, id, 'pause')).isReplay, false)
  assert.equal((await workspaces.get(principal, id)).status, 'paused')
})

test('a caller who means another boot is refused, and nothing is done', async (t) => {
  const { world, plane, workspaces, principal } = await setUp(t)
  const { id, generation } = await workspaces.create(principal, busybox)
  await workspaces.restart(principal, id)
  const calls = world.host.calls.length
  const stale = (more = {}) => asRequester(principal, { generations: [generation], ...more })
  const refusals = [
    plane.service.perform(stale(), id, 'stop'),
    plane.service.remove(stale(), id),
    plane.service.changeResources(stale(), id, { cpus: 2, apply: true }),
    plane.service.changeResources(stale(), id, { cpus: 2, apply: false }),
  ]
  for (const refused of refusals)
    await assert.rejects(refused, { code: 'precondition_failed', details: { generation: generation + 1, expected: [generation] } })
  assert.equal(world.host.calls.length, calls)
  assert.equal((await workspaces.get(principal, id)).status, 'running')
  await plane.service.perform(stale({ generations: [generation, generation + 1] }), id, 'stop')
  assert.equal((await workspaces.get(principal, id)).status, 'stopped')
})

test('a stop of another boot does not end the start that is under way', async (t) => {
  const { world, plane, workspaces, principal } = await setUp(t)
  const held = await bring(world, plane, principal, 'starting')
  const { generation } = await workspaces.get(principal, held.id)
  const requester = asRequester(principal, { generations: [(generation ?? 0) + 7] })
  await assert.rejects(plane.service.perform(requester, held.id, 'stop'), { code: 'precondition_failed' })
  held.release()
  await held.move?.outcome
  assert.equal((await workspaces.get(principal, held.id)).status, 'running')
})
