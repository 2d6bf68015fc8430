/** The only writer of `status`, `boot_id`, `failure` and `operation_id`. Every move is a compare-and-set with an event in the same transaction. */
import { type Cause, canMove, movingStatuses, type OperationVerb, type WorkspaceStatus } from '@alcove/contract'
import * as events from '../store/events.ts'
import type { Tx } from '../store/open.ts'
import * as operations from '../store/operations.ts'
import type { WorkspacePatch, WorkspaceRow } from '../store/workspaces.ts'
import * as workspaces from '../store/workspaces.ts'
import type { Caller } from './caller.ts'

/** A move and why it is made. */
export interface Transition {
  readonly from: readonly WorkspaceStatus[]
  readonly to: WorkspaceStatus
  /** Boot the row must speak of; an event of another boot is dropped. Not compared when absent. */
  readonly bootId?: string | null
  /** A key id, or `system`. */
  readonly actor: string
  readonly cause: Cause
  /** Why, for people. */
  readonly reason: string
  /** Other columns that change with the move. */
  readonly patch?: Omit<WorkspacePatch, 'status' | 'operation_id'>
  /** Facts for programs, kept with the event. */
  readonly data?: Record<string, unknown>
  /** Operation that begins with this move; one that is under way is given up for it. */
  readonly begins?: { readonly verb: OperationVerb; readonly caller: Caller }
  /** How the operation under way ends. When absent it ends with the first state that stays: as failed when that is `failed`, else as succeeded. */
  readonly ends?: operations.OperationEnd | 'not yet'
}

/** Makes a move if the row is as expected; returns the row as it is then, or `undefined` and changes nothing. */
export async function transition(tx: Tx, { id }: Pick<WorkspaceRow, 'id'>, move: Transition, now: number): Promise<WorkspaceRow | undefined> {
  for (const from of move.from) if (!canMove(from, move.to)) throw new Error(`the graph has no move from ${from} to ${move.to}`)
  const before = await workspaces.findAny(tx, id)
  if (!before || !move.from.includes(before.status) || (move.bootId !== undefined && before.boot_id !== move.bootId)) return undefined
  if (move.begins?.caller.guard?.(before) === false) return undefined

  const operationId = move.begins?.caller.operationId ?? before.operation_id
  const end = operationId === null ? undefined : endOf(move)
  const underWay = end ? null : operationId
  const expected = { id, from: [before.status], version: before.version }
  const changed = await workspaces.compareAndSet(tx, expected, { ...move.patch, status: move.to, operation_id: underWay }, now)
  if (!changed) return undefined

  await events.append(tx, {
    ...eventOf(changed, now),
    type: 'status',
    from_status: before.status,
    to_status: move.to,
    actor: move.actor,
    cause: move.cause,
    reason: move.reason,
    operation_id: operationId,
    data: move.data ?? null,
  })
  if (move.begins) await begin(tx, before, move.begins, now)
  if (operationId !== null) await operations.addStep(tx, operationId, { name: move.to, at: now })
  if (operationId !== null && end) await operations.end(tx, operationId, end, now)
  return changed
}

/** Lets another operation go on the way that a row has taken already: the state stays, the operation under way is given up. `undefined`: the row has left it. */
export async function takeOver(
  tx: Tx,
  { id, status }: Pick<WorkspaceRow, 'id' | 'status'>,
  begins: NonNullable<Transition['begins']>,
  patch: Omit<WorkspacePatch, 'status' | 'operation_id'>,
  now: number,
): Promise<WorkspaceRow | undefined> {
  const before = await workspaces.findAny(tx, id)
  if (before?.status !== status) return undefined
  const { operationId } = begins.caller
  const changed = await workspaces.compareAndSet(tx, { id, from: [status], version: before.version }, { ...patch, operation_id: operationId }, now)
  if (!changed) return undefined
  await begin(tx, before, begins, now)
  await operations.addStep(tx, operationId, { name: status, at: now })
  return changed
}

/** Stores an operation that begins; the one that it takes the place of is cancelled. */
async function begin(tx: Tx, row: WorkspaceRow, { verb, caller }: NonNullable<Transition['begins']>, now: number): Promise<void> {
  if (row.operation_id !== null) {
    const error = { code: 'conflict', message: `It was given up in favour of a later operation: ${verb}.` }
    await operations.end(tx, row.operation_id, { status: 'cancelled', error }, now)
  }
  await operations.begin(tx, operationOf(row, verb, caller), now)
}

function endOf(move: Transition): operations.OperationEnd | undefined {
  if (move.ends === 'not yet') return undefined
  if (move.ends) return move.ends
  if ((movingStatuses as readonly string[]).includes(move.to)) return undefined
  if (move.to !== 'failed') return { status: 'succeeded' }
  const { code, message } = move.patch?.failure ?? { code: 'internal_error', message: move.reason }
  return { status: 'failed', error: { code, message } }
}

/** Records an operation that is done within one transaction, or had nothing to do. */
export async function recordDone(
  tx: Tx,
  row: WorkspaceRow,
  verb: OperationVerb,
  caller: Caller,
  now: number,
  change?: { reason: string; type?: string },
): Promise<void> {
  await operations.begin(tx, operationOf(row, verb, caller), now)
  await operations.end(tx, caller.operationId, { status: 'succeeded' }, now)
  if (!change) return
  const { actor, cause, operationId } = caller
  const states = { from_status: row.status, to_status: row.status }
  await events.append(tx, { ...eventOf(row, now), ...states, type: change.type ?? 'updated', actor, cause, reason: change.reason, operation_id: operationId })
}

/** Says why a running VM is of no use at present, or that it is again; returns whether that is news. */
export async function noteHealth(tx: Tx, row: WorkspaceRow, failure: WorkspaceRow['failure'], now: number): Promise<boolean> {
  if (row.failure?.code === failure?.code) return false
  const changed = await workspaces.compareAndSet(tx, { id: row.id, from: ['running'], bootId: row.boot_id }, { failure }, now)
  if (!changed) return false
  const reason = failure?.message ?? 'The virtual machine runs again.'
  await events.append(tx, { ...eventOf(row, now), type: 'health', from_status: 'running', to_status: 'running', actor: 'system', cause: 'host', reason })
  return true
}

/** What an event and its row have in common. */
export function eventOf({ id, account_id, boot_id }: WorkspaceRow, now: number) {
  return { workspace_id: id, account_id, boot_id, at: now }
}

function operationOf(row: WorkspaceRow, verb: OperationVerb, { operationId, actor, cause, requestId }: Caller): operations.NewOperation {
  return { id: operationId, account_id: row.account_id, workspace_id: row.id, verb, actor, cause, requestId }
}
