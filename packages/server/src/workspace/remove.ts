/** Deleting: a tombstone that always wins. What runs for the workspace is given up, everything of it is removed, the row goes last. */
import type { Cause } from '@alcove/contract'
import { AlcoveError, fail, messageOf } from '../lib/fail.ts'
import * as events from '../store/events.ts'
import type { Tx } from '../store/open.ts'
import * as operations from '../store/operations.ts'
import * as slots from '../store/slots.ts'
import type { WorkspaceRow } from '../store/workspaces.ts'
import * as workspaces from '../store/workspaces.ts'
import { assertGeneration, bySystem, type Caller } from './caller.ts'
import { type Control, withinDeadline } from './control.ts'
import { eventOf, takeOver, transition } from './lifecycle.ts'

const live = ['creating', 'starting', 'running', 'pausing', 'paused', 'resuming', 'stopping', 'stopped', 'failed'] as const

/** Marks a workspace as deleted and removes it in its turn, in front of everything else. Returns the row that is going. */
export async function remove(control: Control, { id }: Pick<WorkspaceRow, 'id'>, caller: Caller): Promise<WorkspaceRow> {
  const { actor, cause } = caller
  const deleting = await control.store.transaction(async (tx) => {
    const now = control.clock.now()
    const row = (await workspaces.findAny(tx, id)) ?? fail('not_found', { message: 'The workspace was deleted.' })
    assertGeneration(row, caller)
    // One that was given up by its deadline goes on all the same, as the operation of whoever asks again.
    if (row.status === 'deleting' && row.operation_id === null) return (await takeOver(tx, row, { verb: 'delete', caller }, {}, now)) ?? row
    if (row.status === 'deleting') return row
    const reason = cause === 'ttl' ? 'The time to live was over.' : 'delete'
    const patch = tombstone(control, now)
    const move = { from: live, to: 'deleting', actor, cause, reason, patch, begins: { verb: 'delete', caller } } as const
    return (await transition(tx, row, move, now)) ?? fail('conflict', { message: 'The workspace was changed at the same moment; try again.' })
  })
  const removal = control.mailboxes.run(id, 'delete', () => finishRemoval(control, deleting).then(() => true), {
    preempts: ['create', 'start', 'stop', 'restart', 'pause', 'resume', 'retry', 'resources', 'exited', 'expire', 'update', 'recover'],
  })
  if (!(await withinDeadline(control, removal))) fail('STOP_FAILED', { message: 'The workspace is not removed yet; removing goes on. Look again in a moment.' })
  return deleting
}

/** Removes a workspace whose create failed, within the turn of the create. The operation ends with the error. */
export async function removeFailed(
  control: Control,
  row: WorkspaceRow,
  by: { readonly actor: string; readonly cause: Cause },
  error: AlcoveError,
): Promise<void> {
  const deleting = await control.store.transaction((tx) => {
    const now = control.clock.now()
    return transition(tx, row, { from: live, to: 'deleting', ...by, reason: `create failed: ${error.message}`, patch: tombstone(control, now) }, now)
  })
  if (deleting) await finishRemoval(control, deleting, error)
}

/** Marks a workspace as deleted by a rule, in a transaction of the rule. */
export async function moveToDeleting(
  control: Pick<Control, 'times'>,
  tx: Tx,
  row: WorkspaceRow,
  cause: Cause,
  now: number,
  guard: (row: WorkspaceRow) => boolean = () => true,
): Promise<WorkspaceRow> {
  const caller = { ...bySystem(cause, ''), guard }
  const reason = cause === 'ttl' ? 'The time to live was over.' : 'It is to be removed when its virtual machine has ended.'
  const move = { from: live, to: 'deleting', actor: 'system', cause, reason, patch: tombstone(control, now), begins: { verb: 'delete', caller } } as const
  return (await transition(tx, row, move, now)) ?? fail('conflict', { message: 'The workspace was changed while it was to be removed.' })
}

/** Second half of a delete; also what a start after a crash does with a row that says `deleting`. `error`: that of the create that it undoes. */
export async function finishRemoval(control: Control, row: WorkspaceRow, error?: AlcoveError): Promise<void> {
  const { store, runner, clock } = control
  const slot = (await slots.find(store.db, row.id)) ?? null
  try {
    await runner.destroy({ workspaceId: row.id, slot })
  } catch (cause) {
    throw new AlcoveError('STOP_FAILED', { message: `The workspace could not be removed yet: ${messageOf(cause)}. It is tried again; so may you.`, cause })
  }
  await store.transaction(async (tx) => {
    const now = clock.now()
    await slots.release(tx, row.id, now)
    const last = await workspaces.findAny(tx, row.id)
    if (!last || !(await workspaces.remove(tx, row.id))) return
    const operation = last.operation_id === null ? undefined : await operations.find(tx, last.operation_id)
    const states = { type: 'deleted', from_status: 'deleting', to_status: null } as const
    const by = { actor: operation?.actor ?? 'system', cause: operation?.cause ?? 'recovery' } as const
    await events.append(tx, { ...eventOf(last, now), ...states, ...by, reason: 'removed', operation_id: last.operation_id })
    if (operation) await operations.end(tx, operation.id, endOf(operation, error), now)
  })
}

function tombstone({ times }: Pick<Control, 'times'>, now: number) {
  return { desired: 'deleted', deadline_at: now + times.moveDeadlineMs, expires_at: null, restart_at: null } as const
}

function endOf(operation: operations.OperationRow, error: AlcoveError | undefined): operations.OperationEnd {
  if (operation.verb === 'delete') return { status: 'succeeded' }
  const { code, message } = error ?? { code: 'CREATE_FAILED', message: 'The create failed; nothing of it is left behind.' }
  return { status: 'failed', error: { code, message } }
}
