/** Brings the schema up to date: numbered migrations, each in a transaction of its own, so that a kill between two is harmless. */
import { sql } from 'kysely'
import { fail } from '../lib/fail.ts'
import { initial } from './migrations/0001-initial.ts'
import { lifecycle } from './migrations/0002-lifecycle.ts'
import type { Dialect } from './prepared.ts'
import type { Tx } from './schema.ts'

/** One step of the schema. Never changed once released. */
export interface Migration {
  /** From 1, without gaps. */
  readonly version: number
  readonly name: string
  up(tx: Tx, dialect: Dialect): Promise<void>
}

/** All migrations, in order. */
export const migrations: readonly Migration[] = [initial, lifecycle]

/** What {@link migrate} runs on. */
export interface MigrateTarget {
  readonly dialect: Dialect
  transaction<T>(fn: (tx: Tx) => Promise<T>): Promise<T>
}

/**
 * Applies what is missing; of several servers at once, one applies and the others find it done.
 * @returns the version of the schema
 * @throws service_unavailable when the database was written by a newer server
 */
export async function migrate(target: MigrateTarget, steps: readonly Migration[] = migrations): Promise<number> {
  for (;;) {
    const { version, done } = await target.transaction((tx) => applyNext(tx, target.dialect, steps))
    if (done) return version
  }
}

async function applyNext(tx: Tx, dialect: Dialect, steps: readonly Migration[]): Promise<{ version: number; done: boolean }> {
  // Also keeps two servers from making the table of migrations at once, which PostgreSQL would refuse to one of them.
  if (dialect === 'postgres') await sql`select pg_advisory_xact_lock(${migrationLock})`.execute(tx)
  const time = dialect === 'sqlite' ? 'integer' : 'bigint'
  await sql.raw(`create table if not exists schema_migrations (version ${time} not null primary key, name text not null)`).execute(tx)
  const { rows } = await sql<{ version: number | null }>`select max(version) as version from schema_migrations`.execute(tx)
  const version = rows[0]?.version ?? 0
  const known = steps.length
  if (version > known) {
    fail('service_unavailable', {
      message: `The database has schema ${version}, this server knows ${known}: it was written by a newer Alcove. Install that version again, or restore a backup.`,
    })
  }
  const next = steps[version]
  if (!next) return { version, done: true }
  if (next.version !== version + 1) throw new Error(`migration ${next.name} has number ${next.version} and place ${version + 1}`)
  await next.up(tx, dialect)
  await sql`insert into schema_migrations (version, name) values (${next.version}, ${next.name})`.execute(tx)
  return { version: next.version, done: false }
}

/** Key of the advisory lock; any number that nothing else in the database uses. */
const migrationLock = 1_634_493_296
