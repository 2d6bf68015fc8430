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
