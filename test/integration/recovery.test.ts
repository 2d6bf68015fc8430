/** A daemon that dies between any two steps of an action: the next one finishes it, and no operation goes on for ever. */
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { movingStatuses } from '@alcove/contract'
import { AlcoveError } from '../../packages/server/src/lib/fail.ts'
import { newId } from '../../packages/server/src/lib/ids.ts'
import * as operations from '../../packages/server/src/store/operations.ts'
import * as slots from '../../packages/server/src/store/slots.ts'
import * as rows from '../../packages/server/src/store/workspaces.ts'
import { createWorld, type Plane, type World } from '../support/control.ts'
import { CrashPoints } from '../support/crash-points.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { asRequester } from '../support/requests.ts'
import { act, bring } from '../support/states.ts'

type Principal = Awaited<ReturnType<World['principal']>>
type Status = (typeof actions)[number]['from']

interface Action {
  readonly name: string
  /** State in which it is done; `null`: there is no workspace yet. */
  readonly from: 'running' | 'paused' | 'stopped' | 'failed' | null
  readonly act: (plane: Plane, principal: Principal, id: string, operationId: string) => Promise<unknown>
  /** States after it was done, and when it was not done at all. */
  readonly ends: readonly string[]
}

const verb = (name: Parameters<typeof act>[3]) => (plane: Plane, principal: Principal, id: string, operationId: string) =>
  act(plane, principal, id, name, operationId)
const bigger = (plane: Plane, principal: Principal, id: string, operationId: string) =>
  plane.service.changeResources(asRequester(principal, { operationId }), id, { memory_mb: 1024, apply: true })

const actions = [
  { name: 'create', from: null, act: (plane, principal, _, operationId) => act(plane, principal, null, 'create', operationId), ends: ['running', 'gone'] },
  { name: 'start', from: 'stopped', act: verb('start'), ends: ['running', 'stopped'] },
  { name: 'retry', from: 'failed', act: verb('retry'), ends: ['running', 'failed'] },
  { name: 'stop', from: 'running', act: verb('stop'), ends: ['stopped', 'running'] },
  { name: 'restart', from: 'running', act: verb('restart'), ends: ['running'] },
  { name: 'pause', from: 'running', act: verb('pause'), ends: ['paused', 'running'] },
  { name: 'resume', from: 'paused', act: verb('resume'), ends: ['running', 'paused'] },
  { name: 'resources', from: 'running', act: bigger, ends: ['running'] },
  { name: 'delete', from: 'running', act: verb('delete'), ends: ['gone', 'running'] },
] as const satisfies Action[]

for (const action of actions) {
  test(`a ${action.name} that was cut off anywhere is finished by the next daemon`, async (t) => {
    const world = await createWorld(t, {}, new ManualClock())
    const places: string[] = []
    for (let at = 0; ; at++) {
      const where = await cutOff(world, action, at)
      if (where === undefined) break
      places.push(where)
    }
    assert.ok(places.length >= 4, `cut off at ${places.join(', ')}`)
  })
}

/** Does an action, ends the daemon at a point of it, and has another one put it in order. Returns the point; `undefined` when there are no more. */
async function cutOff(world: World, action: Action, at: number): Promise<string | undefined> {
  const principal = await world.principal()
  const points = new CrashPoints()
  const first = await world.plane({}, undefined, points.wrap)
  const before = action.from === null ? '' : (await bring(world, first, principal, action.from satisfies Status | string)).id
  const operationId = newId('op')
  points.arm(at)
  const done = action.act(first, principal, before, operationId).then(() => undefined)
  const where = await Promise.race([points.died, done])
  first.abandon()
  if (where === undefined) return undefined

  const next = await world.plane()
  await next.reconciler.recover()
  await next.control.mailboxes.idle()
  await next.reconciler.pass()
  await next.control.mailboxes.idle()
  await expectOrder(world, next, action, { principal, before, operationId, where: `${action.name}, cut off at ${at}, ${where}` })
  return where
}

async function expectOrder(
  world: World,
  next: Plane,
  { from, ends, act: again }: Action,
  { principal, before, operationId, where }: { principal: Principal; before: string; operationId: string; where: string },
): Promise<void> {
  const { db } = world.store
  const operation = await operations.find(db, operationId)
  const id = before || (operation?.workspace_id ?? '')
  const row = await rows.findAny(db, id)
  const status = row?.status ?? 'gone'
  assert.ok(ends.includes(status), `${where}: it is ${status}`)
  assert.ok(operation === undefined || operation.status === 'succeeded', `${where}: its operation ${operation?.status} ${operation?.error?.message}`)
  assert.equal(status === ends[0], operation !== undefined || ends.length === 1, `${where}: an operation that is recorded is done`)
  assert.deepEqual(await rows.listByStatus(db, movingStatuses), [], where)
  assert.deepEqual(await operations.listAbandoned(db), [], where)
  const machine = world.host.machines.get(id)
  const isUp = status === 'running' || status === 'paused'
  assert.deepEqual([machine !== undefined, machine?.isPaused ?? false], [isUp, status === 'paused'], where)
  if (isUp) assert.equal(machine?.spec.bootId, row?.boot_id, where)
  if (status === 'gone' || status === 'stopped')
    assert.ok(!(await slots.listHeld(db)).some((held) => held.workspaceId === id), `${where}: its address is given back`)
  if (status === 'gone') assert.ok(!world.host.traces.has(id), `${where}: nothing of it is left`)
  if (operation === undefined && from !== null) await again(next, principal, id, newId('op'))
  await next.workspaces.remove(principal, id).catch((error) => assert.equal(error.code, 'not_found'))
}

async function held(t: TestContext, status: 'pausing' | 'resuming' | 'stopping' | 'deleting' | 'starting' | 'creating') {
  const clock = new ManualClock()
  const world = await createWorld(t, {}, clock)
  const plane = await world.plane()
  const principal = await world.principal()
  const { id, move, release } = await bring(world, plane, principal, status)
  clock.advance(61_000)
  await plane.reconciler.pass()
  const row = await rows.findAny(world.store.db, id)
  const operation = await operations.find(world.store.db, move?.operationId ?? '')
  return { world, plane, id, row, operation, move, release }
}

for (const [status, end, code] of [
  ['pausing', 'running', 'vm_unresponsive'],
  ['resuming', 'paused', 'vm_unresponsive'],
  ['stopping', 'failed', 'STOP_FAILED'],
  ['deleting', 'deleting', 'STOP_FAILED'],
] as const) {
  test(`a workspace that is ${status} past its deadline is ${end}, and its operation has failed`, async (t) => {
    const { row, operation } = await held(t, status)
    assert.deepEqual([row?.status, operation?.status, operation?.error?.code], [end, 'failed', code])
    assert.equal(row?.operation_id, null)
  })
}

for (const [status, end] of [
  ['starting', 'failed'],
  // Its caller was told of it after 10 s.
  ['creating', 'failed'],
] as const) {
  test(`a boot of a workspace that is ${status} past its deadline is given up`, async (t) => {
    const { world, plane, id, move, release } = await held(t, status)
    release()
    await plane.control.mailboxes.idle()
    assert.equal((await rows.findAny(world.store.db, id))?.status, end)
    const operation = await operations.find(world.store.db, move?.operationId ?? '')
    assert.deepEqual([operation?.status, /in time/.test(operation?.error?.message ?? '')], ['failed', true])
  })
}

test('an operation that no workspace is at any more ends with the next daemon', async (t) => {
  const world = await createWorld(t, {}, new ManualClock())
  const plane = await world.plane()
  const principal = await world.principal()
  const { id } = await bring(world, plane, principal, 'running')
  const lost = { id: newId('op'), account_id: principal.accountId, workspace_id: id, verb: 'stop', actor: 'key', cause: 'request' } as const
  await world.store.transaction((tx) => operations.begin(tx, lost, 0))
  const next = await world.plane()
  await next.reconciler.recover()
  const ended = await operations.find(world.store.db, lost.id)
  assert.deepEqual([ended?.status, ended?.error?.code], ['failed', 'service_unavailable'])
})

test('a pause that the daemon did not finish and that fails afterwards leaves the VM running; a start that waits for it succeeds', async (t) => {
  const world = await createWorld(t, {}, new ManualClock())
  const principal = await world.principal()
  const first = await world.plane()
  const { id } = await bring(world, first, principal, 'pausing')
  first.abandon()
  world.host.knobs.onPause = () => Promise.reject(new AlcoveError('VM_UNAVAILABLE', { message: 'no answer' }))
  const next = await world.plane()
  assert.equal((await next.workspaces.start(principal, id)).status, 'running')
})
