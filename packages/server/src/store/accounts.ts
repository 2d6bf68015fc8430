/** Accounts: who owns workspaces. */
import type { Selectable } from 'kysely'
import { fail } from '../lib/fail.ts'
import { dialectOf } from './prepared.ts'
import type { AccountTable, Queryable, Tx } from './schema.ts'

/** An account as it is stored. */
export type AccountRow = Selectable<AccountTable>

/** Stores an account unless its name is taken; tells whether it was stored. */
export async function insert(q: Queryable, row: AccountRow): Promise<boolean> {
  const result = await q
    .insertInto('accounts')
    .values(row)
    .onConflict((on) => on.column('name').doNothing())
    .executeTakeFirst()
  return result.numInsertedOrUpdatedRows === 1n
}

/** Returns the account of an id. @throws not_found */
export async function get(q: Queryable, id: string): Promise<AccountRow> {
  const row = await q.selectFrom('accounts').selectAll().where('id', '=', id).executeTakeFirst()
  return row ?? fail('not_found', { message: `There is no account ${id}.` })
}

/** Returns the account of a name, if there is one. */
export function findByName(q: Queryable, name: string): Promise<AccountRow | undefined> {
  return q.selectFrom('accounts').selectAll().where('name', '=', name).executeTakeFirst()
}

/** Returns all accounts, by name. */
export function list(q: Queryable): Promise<AccountRow[]> {
  return q.selectFrom('accounts').selectAll().orderBy('name').execute()
}

/** Changes the plan of an account. */
export async function setPlan(q: Queryable, id: string, plan: string): Promise<void> {
  await q.updateTable('accounts').set({ plan }).where('id', '=', id).execute()
}

/**
 * Makes later admissions of the account wait until this transaction has ended: what the ledger sums cannot change in between.
 * SQLite needs nothing, since it has one writer.
 */
export async function lockAccount(tx: Tx, accountId: string): Promise<void> {
  if (dialectOf(tx) === 'sqlite') return
  await tx.selectFrom('accounts').select('id').where('id', '=', accountId).forUpdate().execute()
}
