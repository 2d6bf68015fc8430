/** What happened to workspaces: rows are added, and forgotten when they are older than the operator wants to keep them. */
import type { Insertable, Selectable } from 'kysely'
import * as meta from './meta.ts'
import { prepare } from './prepared.ts'
import type { EventTable, Queryable } from './schema.ts'
import { serializeAppends } from './serialized.ts'

/** An event; `data` as it was given. */
export type EventRow = Omit<Selectable<EventTable>, 'data'> & { readonly data: Record<string, unknown> | null }

/** An event to be added; without an operation and facts unless they are given. */
export type NewEvent = Omit<EventRow, 'seq' | 'operation_id' | 'data'> & Partial<Pick<EventRow, 'operation_id' | 'data'>>

/** Adds an event. Belongs into the transaction that makes the change. */
export async function append(q: Queryable, event: NewEvent): Promise<void> {
  await serializeAppends(q)
  const stored: Insertable<EventTable> = { ...event, operation_id: event.operation_id ?? null, data: event.data ? JSON.stringify(event.data) : null }
  await q.insertInto('events').values(stored).execute()
}

/** Whether a workspace of this id was here and was deleted. */
export async function wasDeleted(q: Queryable, workspaceId: string): Promise<boolean> {
  const row = await q.selectFrom('events').select('seq').where('workspace_id', '=', workspaceId).where('type', '=', 'deleted').limit(1).executeTakeFirst()
  return row !== undefined
}

/** Whether a workspace of this id was here with this boot: what is on the host of a boot that never was is of another, newer database. */
export async function knowsBoot(q: Queryable, workspaceId: string, bootId: string): Promise<boolean> {
  const row = await q.selectFrom('events').select('seq').where('workspace_id', '=', workspaceId).where('boot_id', '=', bootId).limit(1).executeTakeFirst()
  return row !== undefined
}

/** Returns the last events of a workspace, oldest first. */
export async function listByWorkspace(q: Queryable, workspaceId: string, options: { readonly limit: number } = { limit: 1000 }): Promise<EventRow[]> {
  const rows = await q.selectFrom('events').selectAll().where('workspace_id', '=', workspaceId).orderBy('seq', 'desc').limit(options.limit).execute()
  return rows.reverse().map(decode)
}

const selectOfWorkspace = prepare<Selectable<EventTable>>('select * from events where account_id = ? and workspace_id = ? and seq > ? order by seq limit ?')
const selectOfAccount = prepare<Selectable<EventTable>>('select * from events where account_id = ? and seq > ? order by seq limit ?')

/** Returns events that follow `after`, oldest first: of one workspace, also a deleted one, or of the whole account. */
export async function listAfter(
  q: Queryable,
  { accountId, workspaceId, after, limit }: { readonly accountId: string; readonly workspaceId?: string; readonly after: number; readonly limit: number },
): Promise<EventRow[]> {
  const rows =
    workspaceId === undefined ? await selectOfAccount(q, [accountId, after, limit]) : await selectOfWorkspace(q, [accountId, workspaceId, after, limit])
  return rows.map(decode)
}

/** Number of the last event there is; 0 when there is none. */
export async function lastSeq(q: Queryable): Promise<number> {
  const row = await q.selectFrom('events').select('seq').orderBy('seq', 'desc').limit(1).executeTakeFirst()
  return row?.seq ?? 0
}

/**
 * Forgets what happened before `before` (ms since the epoch); returns how much. That a workspace was deleted is kept for ever: what is
 * left of it on the host may be reclaimed because of that row.
 */
export async function purge(q: Queryable, before: number): Promise<number> {
  await meta.set(q, 'events_keep_from', String(before))
  const result = await q.deleteFrom('events').where('at', '<', before).where('type', '<>', 'deleted').executeTakeFirst()
  return Number(result.numDeletedRows)
}

function decode(row: Selectable<EventTable>): EventRow {
  return { ...row, data: row.data === null ? null : JSON.parse(row.data) }
}
