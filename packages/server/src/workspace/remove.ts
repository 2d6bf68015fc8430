/** Deleting: a tombstone that always wins. What runs for the workspace is given up, everything of it is removed, the row goes last. */
import { AlcoveError, fail, messageOf } from '../lib/fail.ts'
import * as events from '../store/events.ts'
import * as idempotency from '../store/idempotency.ts'
import * as slots from '../store/slots.ts'
import type { WorkspaceRow } from '../store/workspaces.ts'
import * as workspaces from '../store/workspaces.ts'
import { type Control, withinBudget } from './control.ts'
import { transition } from './lifecycle.ts'

const live = ['creating', 'starting', 'running', 'stopping', 'stopped', 'failed'] as const

/** Marks a workspace as deleted and removes it in its turn, in front of everything else. */
export async function remove(control: Control, row: WorkspaceRow, actor: string): Promise<void> {
  await entomb(control, row, actor, 'delete')
  const removal = control.mailboxes.run(row.id, 'delete', () => finishRemoval(control, row, actor).then(() => true), {
    preempts: ['create', 'start', 'stop', 'restart', 'exited', 'update', 'resume'],
  })
  if (!(await withinBudget(control, removal))) fail('STOP_FAILED', { message: 'The workspace is not removed yet; removing goes on. Look again in a moment.' })
}

/** Removes a workspace within a turn that its caller already has; its idempotency keys may be used again. */
export async function removeRow(control: Control, row: WorkspaceRow, actor: string, reason: string): Promise<void> {
  await entomb(control, row, actor, reason, { forgetKeys: true })
  await finishRemoval(control, row, actor)
}

/** Second half of a delete; also what a start after a crash does with a row that says `deleting`. */
export async function finishRemoval(control: Control, row: WorkspaceRow, actor: string): Promise<void> {
  const { store, runner, clock } = control
  const slot = (await slots.find(store.db, row.id)) ?? null
  try {
    await runner.destroy({ workspaceId: row.id, slot })
  } catch (error) {
    throw new AlcoveError('STOP_FAILED', {
      message: `The workspace could not be removed yet: ${messageOf(error)}. It is tried again; so may you.`,
      cause: error,
    })
  }
  await store.transaction(async (tx) => {
    const now = clock.now()
    await slots.release(tx, row.id, now)
    if (!(await workspaces.remove(tx, row.id))) return
    await events.append(tx, {
      workspace_id: row.id,
      account_id: row.account_id,
      boot_id: row.boot_id,
      at: now,
      type: 'deleted',
      from_status: 'deleting',
      to_status: null,
      actor,
      reason: 'removed',
    })
  })
}

async function entomb(control: Control, row: WorkspaceRow, actor: string, reason: string, { forgetKeys = false } = {}): Promise<void> {
  const { store, clock, times } = control
  await store.transaction(async (tx) => {
    const now = clock.now()
    // With the tombstone, not after it: a create that is sent again must not meet the key of one that failed.
    if (forgetKeys) await idempotency.removeByWorkspace(tx, row.id)
    return transition(tx, row, { from: live, to: 'deleting', actor, reason, patch: { desired: 'deleted', deadline_at: now + times.moveDeadlineMs } }, now)
  })
}
