/** API keys: a client id and the hash of its secret. */
import type { Selectable } from 'kysely'
import { prepare } from './prepared.ts'
import type { ApiKeyTable, Queryable } from './schema.ts'

/** A key as it is stored. */
export type ApiKeyRow = Selectable<ApiKeyTable>

/** A key that is not revoked, with what a principal needs. */
export interface ActiveKey {
  readonly keyId: string
  readonly accountId: string
  readonly plan: string
  /** SHA-256 of the secret, hex. */
  readonly secretHash: string
}

const selectActive = prepare<ActiveKey>(
  `select k.id as "keyId", k.account_id as "accountId", a.plan as "plan", k.secret_hash as "secretHash"
   from api_keys k join accounts a on a.id = k.account_id where k.id = ? and k.revoked_at is null`,
)

/** Stores a key. */
export async function insert(q: Queryable, row: Omit<ApiKeyRow, 'revoked_at'>): Promise<void> {
  await q
    .insertInto('api_keys')
    .values({ ...row, revoked_at: null })
    .execute()
}

/** Returns a key with its account, unless it is unknown or revoked. */
export async function findActive(q: Queryable, id: string): Promise<ActiveKey | undefined> {
  const [row] = await selectActive(q, [id])
  return row
}

/** Returns the keys of an account, oldest first, revoked ones too. */
export function listByAccount(q: Queryable, accountId: string): Promise<ApiKeyRow[]> {
  return q.selectFrom('api_keys').selectAll().where('account_id', '=', accountId).orderBy('created_at').orderBy('id').execute()
}

/** Revokes a key for ever; tells whether it was active until now. */
export async function revoke(q: Queryable, id: string, now: number): Promise<boolean> {
  const result = await q.updateTable('api_keys').set({ revoked_at: now }).where('id', '=', id).where('revoked_at', 'is', null).executeTakeFirst()
  return result.numUpdatedRows === 1n
}
