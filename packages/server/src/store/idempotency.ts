/** Idempotency keys: what was asked with each, which operation it is, and the answer once there is one. */
import type { Selectable } from 'kysely'
import { prepare } from './prepared.ts'
import type { IdempotencyTable, Queryable } from './schema.ts'

/** A used key. */
export type IdempotencyRow = Selectable<IdempotencyTable>

/** What names a key. */
export type IdempotencyId = Pick<IdempotencyRow, 'account_id' | 'operation' | 'key'>

const selectOne = prepare<IdempotencyRow>('select * from idempotency where account_id = ? and operation = ? and key = ?')

/** Returns what an account did with a key. */
export async function find(q: Queryable, { account_id, operation, key }: IdempotencyId): Promise<IdempotencyRow | undefined> {
  const [row] = await selectOne(q, [account_id, operation, key])
  return row
}

/** Stores a key unless it was used before; tells whether it was stored. Waits for a concurrent transaction that uses the same one. */
export async function insert(q: Queryable, row: Omit<IdempotencyRow, 'answer_status' | 'answer'>): Promise<boolean> {
  const result = await q
    .insertInto('idempotency')
    .values({ ...row, answer_status: null, answer: null })
    .onConflict((on) => on.columns(['account_id', 'operation', 'key']).doNothing())
    .executeTakeFirst()
  return result.numInsertedOrUpdatedRows === 1n
}

/** Stores the answer; the first one counts. */
export async function storeAnswer(q: Queryable, operationId: string, status: number, answer: string): Promise<void> {
  await q.updateTable('idempotency').set({ answer_status: status, answer }).where('operation_id', '=', operationId).where('answer', 'is', null).execute()
}

/** Forgets a key whose request failed, so that it may be sent again with it. */
export async function release(q: Queryable, operationId: string): Promise<void> {
  await q.deleteFrom('idempotency').where('operation_id', '=', operationId).where('answer', 'is', null).execute()
}

/** How many keys of an account are remembered. */
export async function count(q: Queryable, accountId: string): Promise<number> {
  const row = await q
    .selectFrom('idempotency')
    .select((e) => e.fn.countAll<number>().as('total'))
    .where('account_id', '=', accountId)
    .executeTakeFirst()
  return Number(row?.total ?? 0)
}

/** Forgets keys whose time is over at `now` (ms since the epoch); returns how many. */
export async function purge(q: Queryable, now: number): Promise<number> {
  const result = await q.deleteFrom('idempotency').where('expires_at', '<=', now).executeTakeFirst()
  return Number(result.numDeletedRows)
}
