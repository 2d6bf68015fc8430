/** Facts about the installation, such as its id. */
import type { Queryable } from './schema.ts'

/** Returns a fact. */
export async function find(q: Queryable, key: string): Promise<string | undefined> {
  const row = await q.selectFrom('meta').select('value').where('key', '=', key).executeTakeFirst()
  return row?.value
}

/** Returns a fact, storing `value` if there is none yet. Of several at once, one wins and all get its value. */
export async function getOrInsert(q: Queryable, key: string, value: string): Promise<string> {
  await q
    .insertInto('meta')
    .values({ key, value })
    .onConflict((on) => on.column('key').doNothing())
    .execute()
  const stored = await find(q, key)
  if (stored === undefined) throw new Error(`meta ${key} was removed while it was read`)
  return stored
}

/** Stores a fact, in place of what there is. */
export async function set(q: Queryable, key: string, value: string): Promise<void> {
  await q
    .insertInto('meta')
    .values({ key, value })
    .onConflict((on) => on.column('key').doUpdateSet({ value }))
    .execute()
}

/** Stores a fact in place of `before`; tells whether it was still that. Waits for a concurrent transaction that replaces it. */
export async function replace(q: Queryable, key: string, before: string, value: string): Promise<boolean> {
  const result = await q.updateTable('meta').set({ value }).where('key', '=', key).where('value', '=', before).executeTakeFirst()
  return result.numUpdatedRows === 1n
}
