/** The one writer of `status`: a compare-and-set on the row and an event, in one transaction. */
import { canMove, type WorkspaceStatus } from '@alcove/contract'
import * as events from '../store/events.ts'
import type { Tx } from '../store/open.ts'
import type { WorkspacePatch, WorkspaceRow } from '../store/workspaces.ts'
import * as workspaces from '../store/workspaces.ts'

/** A move and why it is made. */
export interface Transition {
  readonly from: readonly WorkspaceStatus[]
  readonly to: WorkspaceStatus
  /** Boot the row must speak of; an event of another boot is dropped. Not compared when absent. */
  readonly bootId?: string | null
  /** A key id, or `system`. */
  readonly actor: string
  /** Why, for people. */
  readonly reason: string
  /** Other columns that change with the move. */
  readonly patch?: Omit<WorkspacePatch, 'status'>
}

/** Says why a running VM is of no use at present, or that it is again; returns whether that is news. */
export async function noteHealth(tx: Tx, row: WorkspaceRow, failure: WorkspaceRow['failure'], now: number): Promise<boolean> {
  if (row.failure?.code === failure?.code) return false
  const changed = await workspaces.compareAndSet(tx, { id: row.id, from: ['running'], bootId: row.boot_id }, { failure }, now)
  if (!changed) return false
  const { id, account_id, boot_id } = row
  const reason = failure?.message ?? 'The virtual machine runs again.'
  const event = { workspace_id: id, account_id, boot_id, at: now, type: 'health', from_status: 'running', to_status: 'running', actor: 'system', reason }
  await events.append(tx, event)
  return true
}

/** Makes a move if the row is as expected; returns the row as it is then, or `undefined` and changes nothing. */
export async function transition(tx: Tx, row: Pick<WorkspaceRow, 'id' | 'account_id'>, move: Transition, now: number): Promise<WorkspaceRow | undefined> {
  for (const from of move.from) {
    if (!canMove(from, move.to)) throw new Error(`the graph has no move from ${from} to ${move.to}`)
  }
  for (const from of move.from) {
    const expected = { id: row.id, from: [from], ...(move.bootId === undefined ? {} : { bootId: move.bootId }) }
    const changed = await workspaces.compareAndSet(tx, expected, { ...move.patch, status: move.to }, now)
    if (!changed) continue
    await events.append(tx, {
      workspace_id: row.id,
      account_id: row.account_id,
      boot_id: changed.boot_id,
      at: now,
      type: 'status',
      from_status: from,
      to_status: move.to,
      actor: move.actor,
      reason: move.reason,
    })
    return changed
  }
  return undefined
}
