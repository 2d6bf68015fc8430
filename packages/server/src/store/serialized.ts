/** Appending in one order: on PostgreSQL a number may be given out before another and be committed after it; a reader would miss it. */
import { sql } from 'kysely'
import { dialectOf } from './prepared.ts'
import type { Queryable } from './schema.ts'

/** Key of the advisory lock; any number that nothing else in the database uses. */
const appendLock = 1_634_493_297

/** Keeps other transactions from appending until this one has ended. SQLite has one writer anyway. */
export async function serializeAppends(q: Queryable): Promise<void> {
  if (dialectOf(q) === 'postgres') await sql`select pg_advisory_xact_lock(${appendLock})`.execute(q)
}
