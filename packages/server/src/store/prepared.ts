/** SQL of the hot paths, spelled once for both dialects, so that a request does not pay for building a query. */
import { CompiledQuery, SqliteAdapter } from 'kysely'
import type { Queryable } from './schema.ts'

/** The databases the store speaks to. */
export type Dialect = 'sqlite' | 'postgres'

/** Tells which database a `Queryable` speaks to. */
export function dialectOf(q: Queryable): Dialect {
  return q.getExecutor().adapter instanceof SqliteAdapter ? 'sqlite' : 'postgres'
}

/**
 * Makes a function that runs `text` and returns its rows.
 * @param text SQL with `?` for each parameter, in order; no other question mark may occur in it
 */
export function prepare<Row>(text: string): (q: Queryable, parameters: readonly (string | number | null)[]) => Promise<Row[]> {
  let count = 0
  const spelled: Readonly<Record<Dialect, string>> = { sqlite: text, postgres: text.replace(/\?/g, () => `$${++count}`) }
  return async (q, parameters) => {
    const result = await q.executeQuery<Row>(CompiledQuery.raw(spelled[dialectOf(q)], [...parameters]))
    return result.rows
  }
}
