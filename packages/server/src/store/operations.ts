/** Operations: one row for each thing that is done with a workspace, from its intent to its end. */
import type { Selectable } from 'kysely'
import * as audit from './audit.ts'
import { prepare } from './prepared.ts'
import type { OperationStep, OperationTable, Queryable } from './schema.ts'

/** An operation; JSON parsed. */
export type OperationRow = Omit<Selectable<OperationTable>, 'steps' | 'error'> & {
  readonly steps: readonly OperationStep[]
  readonly error: { readonly code: string; readonly message: string } | null
}

/** An operation that begins. */
export type NewOperation = Pick<OperationRow, 'id' | 'account_id' | 'workspace_id' | 'verb' | 'actor' | 'cause'> & { readonly requestId?: string | undefined }

/** How an operation ends. */
export interface OperationEnd {
  readonly status: Exclude<OperationRow['status'], 'running'>
  readonly error?: { readonly code: string; readonly message: string } | null
}

/** Stores the intent, in the transaction that makes the first change, and in the audit chain. An id that was used fails: nothing is done twice. */
export async function begin(q: Queryable, { requestId, ...operation }: NewOperation, now: number): Promise<void> {
  const row = { ...operation, status: 'running', steps: '[]', error: null, created_at: now, ended_at: null } as const
  await q.insertInto('operations').values(row).execute()
  await audit.append(q, {
    at: now,
    account_id: operation.account_id,
    actor: operation.actor,
    action: operation.verb,
    target: operation.workspace_id,
    outcome: 'done',
    code: null,
    request_id: requestId ?? null,
    operation_id: operation.id,
  })
}

/** Notes that a part of a running operation begins; one that has ended is left as it is. */
export async function addStep(q: Queryable, id: string, step: OperationStep): Promise<void> {
  const row = await find(q, id)
  if (row?.status !== 'running') return
  const steps = JSON.stringify([...row.steps, { name: step.name, at: step.at }])
  await q.updateTable('operations').set({ steps }).where('id', '=', id).where('status', '=', 'running').execute()
}

/** Ends an operation; the first end counts. */
export async function end(q: Queryable, id: string, { status, error = null }: OperationEnd, now: number): Promise<void> {
  const patch = { status, error: error === null ? null : JSON.stringify(error), ended_at: now }
  await q.updateTable('operations').set(patch).where('id', '=', id).where('status', '=', 'running').execute()
}

const selectOne = prepare<Selectable<OperationTable>>('select * from operations where id = ?')

/** Returns an operation. */
export async function find(q: Queryable, id: string): Promise<OperationRow | undefined> {
  const [row] = await selectOne(q, [id])
  return row && decode(row)
}

/** Returns operations of a workspace, newest first; those older than the operation `after` where it is given. */
export async function listByWorkspace(
  q: Queryable,
  {
    accountId,
    workspaceId,
    after,
    limit,
  }: { readonly accountId: string; readonly workspaceId: string; readonly after?: OperationRow | undefined; readonly limit: number },
): Promise<OperationRow[]> {
  let query = q.selectFrom('operations').selectAll().where('workspace_id', '=', workspaceId).where('account_id', '=', accountId)
  if (after) {
    query = query.where((e) => e.or([e('created_at', '<', after.created_at), e.and([e('created_at', '=', after.created_at), e('id', '<', after.id)])]))
  }
  const rows = await query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).execute()
  return rows.map(decode)
}

/** Returns the running operations that no workspace is at any more: their server died between two transactions. */
export async function listAbandoned(q: Queryable): Promise<OperationRow[]> {
  const rows = await q
    .selectFrom('operations')
    .selectAll()
    .where('status', '=', 'running')
    .where((e) => e.not(e.exists(e.selectFrom('workspaces').select('id').whereRef('workspaces.operation_id', '=', 'operations.id'))))
    .execute()
  return rows.map(decode)
}

/** Forgets operations that ended before `before` (ms since the epoch); returns how many. */
export async function purge(q: Queryable, before: number): Promise<number> {
  const result = await q.deleteFrom('operations').where('ended_at', '<', before).executeTakeFirst()
  return Number(result.numDeletedRows)
}

function decode(row: Selectable<OperationTable>): OperationRow {
  return { ...row, steps: JSON.parse(row.steps), error: row.error === null ? null : JSON.parse(row.error) }
}
