/** Every verb in every state does what the table of the contract says. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { movingStatuses, type Outcome, outcomeOf, type Verb, verbOutcomes, type WorkspaceStatus, workspaceStatuses } from '@alcove/contract'
import { newId } from '../../packages/server/src/lib/ids.ts'
import * as operations from '../../packages/server/src/store/operations.ts'
import * as rows from '../../packages/server/src/store/workspaces.ts'
import type { Principal } from '../../packages/server/src/tenancy/principal.ts'
import { createWorld, type Plane, type World } from '../support/control.ts'
import { ManualClock } from '../support/manual-clock.ts'
import type { HostCall } from '../support/memory-runner.ts'
import { act, bring, type Held } from '../support/states.ts'
import { WatchedMailboxes } from '../support/watched-mailboxes.ts'

/** Where a move ends that nobody gives up. */
const restOf: Partial<Record<WorkspaceStatus, WorkspaceStatus>> = {
  creating: 'running',
  starting: 'running',
  pausing: 'paused',
  resuming: 'running',
  stopping: 'stopped',
}
/** What a verb leads to; `undefined` leaves the state as it is. */
const leadsTo: Partial<Record<Verb, WorkspaceStatus | 'gone'>> = {
  ...{ start: 'running', stop: 'stopped', restart: 'running', pause: 'paused', resume: 'running', retry: 'running', delete: 'gone' },
}
/** The call of the runner that is made once when two ask for the same. */
const effectOf: Partial<Record<Verb, HostCall>> = { start: 'boot', stop: 'shutdown', pause: 'pause', resume: 'resume', retry: 'boot', delete: 'destroy' }

interface Cell {
  readonly world: World
  readonly plane: Plane
  readonly principal: Principal
  readonly held: Held
  readonly verb: Verb
  readonly status: WorkspaceStatus
}

for (const status of workspaceStatuses) {
  test(`every verb of a workspace that is ${status}`, async (t) => {
    const world = await createWorld(t, {}, new ManualClock())
    const mailboxes = new WatchedMailboxes()
    const plane = await world.plane({}, undefined, () => ({ mailboxes }))
    const principal = await world.principal()
    for (const verb of Object.keys(verbOutcomes) as Verb[]) {
      const outcome = outcomeOf(verb, status)
      await t.test(`${verb} ${outcome}`, async () => {
        const held = await bring(world, plane, principal, status)
        await check({ world, plane, principal, held, verb, status }, outcome, mailboxes)
      })
    }
  })
}

async function check(cell: Cell, outcome: Outcome, mailboxes: WatchedMailboxes): Promise<void> {
  const { world, plane, principal, held, verb } = cell
  const operationId = newId('op')
  const before = world.host.calls.length
  mailboxes.asked = Promise.withResolvers()
  let isSettled = false
  const answer = settle(act(plane, principal, held.id, verb, operationId)).finally(() => {
    isSettled = true
  })
  await Promise.race([answer, mailboxes.asked.promise])
  if (outcome === 'refuses') await answer
  if (held.move && !['refuses', 'acts'].includes(outcome)) assert.equal(isSettled, false, 'it waits for the action in progress')
  held.release()
  const move = held.move && (await settle(held.move.outcome))
  const { error } = await answer
  await plane.control.mailboxes.idle()
  const calls = world.host.calls.slice(before).map(({ call }) => call)
  await expectOutcome({ ...cell, outcome, error, moveError: move?.error, operationId, calls })
  await expectRest(cell)
}

interface Seen extends Cell {
  readonly outcome: Outcome
  readonly error: { code?: string; details?: Record<string, unknown> } | undefined
  readonly moveError: { code?: string } | undefined
  readonly operationId: string
  readonly calls: HostCall[]
}

async function expectOutcome(seen: Seen): Promise<void> {
  const { world, held, verb, status, outcome, error, moveError, operationId, calls } = seen
  const operation = await operations.find(world.store.db, operationId)
  const row = await rows.findAny(world.store.db, held.id)
  const now = row?.status ?? 'gone'
  const before = restOf[status] ?? (status === 'deleting' ? 'gone' : status)
  if (outcome !== 'preempts') assert.equal(moveError, undefined, 'nobody else is disturbed')
  switch (outcome) {
    case 'waits':
      return expectOutcome({ ...seen, status: before as WorkspaceStatus, outcome: outcomeOf(verb, before as WorkspaceStatus) })
    case 'refuses':
      assert.ok(error?.code === 'conflict' || error?.code === 'vm_not_running', `refused with ${error?.code}`)
      assert.deepEqual([error.details?.status, error.details?.verb, 'action' in (error.details ?? {})], [status, verb, true])
      assert.equal(operation, undefined, 'what was refused is no operation')
      assert.equal(now, before)
      return
    case 'done':
      assert.deepEqual([error, operation?.status, now], [undefined, 'succeeded', before])
      if (held.move === undefined) assert.deepEqual(calls, [], 'nothing is done')
      return
    case 'joins':
      assert.deepEqual([error, now], [undefined, before])
      assert.ok(operation === undefined || operation.status === 'succeeded')
      assert.equal(world.host.calls.filter(({ call, workspaceId }) => workspaceId === held.id && call === effectOf[verb]).length, status === 'starting' ? 2 : 1)
      return
    case 'preempts':
      assert.equal(moveError?.code, 'conflict', 'whoever asked for the move is told that it was given up')
      assert.equal((await operations.find(world.store.db, held.move?.operationId ?? ''))?.status, 'cancelled')
      break
    default:
  }
  assert.deepEqual([error, operation?.status, operation?.verb], [undefined, 'succeeded', verb === 'settings' ? 'update' : verb])
  assert.equal(now, leadsTo[verb] ?? before)
  if (verb === 'settings') assert.equal(row?.name, 'changed')
}

/** Nothing moves, and no operation goes on. */
async function expectRest({ world }: Cell): Promise<void> {
  const { db } = world.store
  assert.deepEqual(await rows.listByStatus(db, movingStatuses), [])
  assert.deepEqual(await db.selectFrom('operations').selectAll().where('status', '=', 'running').execute(), [])
}

async function settle(promise: Promise<unknown>): Promise<{ error?: Seen['error'] }> {
  return promise.then(
    () => ({ error: undefined }),
    (error) => ({ error }),
  )
}
