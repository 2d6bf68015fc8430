/** PostgreSQL behind Kysely: a pool whose failures are translated, and whose bigints are numbers. */
import { type Dialect, PostgresDialect, type PostgresPool, type PostgresPoolClient } from 'kysely'
import pg from 'pg'
import { fail } from '../lib/fail.ts'
import type { Logger } from '../lib/log.ts'
import { translateDatabaseError } from './database-error.ts'

/** Object id of `bigint`, the type of times, versions and sums. */
const bigintOid = 20

/** A Kysely dialect over a pool of connections. */
export function postgresDialect({ url, log }: { readonly url: string; readonly log: Logger }): Dialect {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: 'alcove',
    max: 10,
    connectionTimeoutMillis: 5000,
    // Bounds what a wedged statement, lock or client of ours can hold.
    statement_timeout: 30_000,
    // On our side of the wire: also ends the wait for a server that is gone without a word.
    query_timeout: 35_000,
    lock_timeout: 10_000,
    idle_in_transaction_session_timeout: 60_000,
    types: { getTypeParser: (oid, format) => (oid === bigintOid ? parseBigint : pg.types.getTypeParser(oid, format as 'text')) },
  })
  // An idle connection that breaks leaves the pool by itself.
  pool.on('error', (error) => log.warn({ err: error }, 'an idle database connection broke'))
  // One in use also tells its query; without a listener the event would end the process.
  pool.on('connect', (client) => client.on('error', (error) => log.debug({ err: error }, 'a database connection broke')))
  return new PostgresDialect({ pool: translatingPool(pool) })
}

function parseBigint(text: string): number {
  const value = Number(text)
  if (!Number.isSafeInteger(value)) throw new Error(`${text} does not fit a number`)
  return value
}

function translatingPool(pool: pg.Pool): PostgresPool {
  return {
    options: pool.options,
    end: () => pool.end(),
    connect: () => pool.connect().then(translatingClient, rethrow),
  }
}

function translatingClient(client: pg.PoolClient): PostgresPoolClient {
  // A transaction that was given up may still have a statement on its way: behind the rollback it would be one of its own, and stay.
  let isOver = false
  const query = async (sql: string, parameters: readonly unknown[]): Promise<pg.QueryResult> => {
    if (isOver) fail('service_unavailable', { message: 'The database transaction is over; try again.' })
    if (sql === 'rollback' || sql === 'commit') isOver = true
    return client.query(sql, [...parameters]).catch(rethrow)
  }
  // The other overload, cursors, is for streaming, which nothing here does.
  return { query: query as unknown as PostgresPoolClient['query'], release: (destroy) => client.release(destroy) }
}

function rethrow(error: unknown): never {
  throw translateDatabaseError(error)
}
