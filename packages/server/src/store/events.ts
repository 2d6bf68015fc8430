/** What happened to workspaces, for ever: rows are added and never changed. */
import type { Selectable } from 'kysely'
import type { EventTable, Queryable } from './schema.ts'

/** An event as it is stored. */
export type EventRow = Selectable<EventTable>

/** Adds an event. Belongs into the transaction that makes the change. */
export async function append(q: Queryable, event: Omit<EventRow, 'seq'>): Promise<void> {
  await q.insertInto('events').values(event).execute()
}

/** Whether a workspace of this id was here and was deleted. */
export async function wasDeleted(q: Queryable, workspaceId: string): Promise<boolean> {
  const row = await q.selectFrom('events').select('seq').where('workspace_id', '=', workspaceId).where('type', '=', 'deleted').limit(1).executeTakeFirst()
  return row !== undefined
}

/** Returns the last events of a workspace, oldest first. */
export async function listByWorkspace(q: Queryable, workspaceId: string, options: { readonly limit: number } = { limit: 1000 }): Promise<EventRow[]> {
  const rows = await q.selectFrom('events').selectAll().where('workspace_id', '=', workspaceId).orderBy('seq', 'desc').limit(options.limit).execute()
  return rows.reverse()
}
