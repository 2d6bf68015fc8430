/** Idempotency keys: which workspace the first request with a key made. */
import type { Selectable } from 'kysely'
import type { IdempotencyTable, Queryable } from './schema.ts'

/** A used key. */
export type IdempotencyRow = Selectable<IdempotencyTable>

/** Returns what an account did with a key. */
export function find(q: Queryable, id: Pick<IdempotencyRow, 'account_id' | 'operation' | 'key'>): Promise<IdempotencyRow | undefined> {
  return q
    .selectFrom('idempotency')
    .selectAll()
    .where('account_id', '=', id.account_id)
    .where('operation', '=', id.operation)
    .where('key', '=', id.key)
    .executeTakeFirst()
}

/** Stores a key unless it was used before; tells whether it was stored. Waits for a concurrent transaction that uses the same one. */
export async function insert(q: Queryable, row: IdempotencyRow): Promise<boolean> {
  const result = await q
    .insertInto('idempotency')
    .values(row)
    .onConflict((on) => on.columns(['account_id', 'operation', 'key']).doNothing())
    .executeTakeFirst()
  return result.numInsertedOrUpdatedRows === 1n
}

/** Forgets the keys that made a workspace, so that a failed create may be sent again with its key. */
export async function removeByWorkspace(q: Queryable, workspaceId: string): Promise<void> {
  await q.deleteFrom('idempotency').where('workspace_id', '=', workspaceId).execute()
}

/** Forgets keys used before `before` (ms since the epoch); returns how many. */
export async function purge(q: Queryable, before: number): Promise<number> {
  const result = await q.deleteFrom('idempotency').where('created_at', '<', before).executeTakeFirst()
  return Number(result.numDeletedRows)
}
