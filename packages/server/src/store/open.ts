/** Opens the database: SQLite in a file, or PostgreSQL. */
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { Kysely, type Dialect as KyselyDialect } from 'kysely'
import type { Clock } from '../lib/clock.ts'
import { AlcoveError, fail, messageOf } from '../lib/fail.ts'
import { ensureDirectory } from '../lib/files.ts'
import type { Logger } from '../lib/log.ts'
import { refuseDamagedFile } from './check-file.ts'
import { watchDataVersion } from './data-version.ts'
import { isLostRace } from './database-error.ts'
import { migrate } from './migrate.ts'
import { postgresDialect } from './postgres.ts'
import type { Dialect } from './prepared.ts'
import type { Database, Queryable, Tx } from './schema.ts'
import { sqliteDialect } from './sqlite.ts'

export type { Queryable, Tx } from './schema.ts'

/** The database of an installation. */
export interface Store {
  /** Runs each statement by itself. */
  readonly db: Queryable
  readonly dialect: Dialect
  /**
   * Runs `fn` in one transaction, again from its start when it lost against another one: `fn` must have no effect outside `tx`.
   * On SQLite every other writer waits meanwhile, so `fn` must wait for nothing but `tx`; one that lasts longer than 10 s is rolled back.
   * @throws service_unavailable storage_full
   */
  transaction<T>(fn: (tx: Tx) => Promise<T>): Promise<T>
  /** A number that differs after every commit, of whatever process; `undefined` where the database has none and rows must be asked. */
  dataVersion(): number | undefined
  /** Calls `listener` after every transaction of this process that was committed. */
  onCommit(listener: () => void): void
  /** Waits for open transactions, then closes. */
  close(): Promise<void>
}

/** What {@link openStore} needs. */
export interface OpenOptions {
  /** `sqlite:/path/alcove.db` or `postgres://user:password@host/database`. */
  readonly url: string
  readonly clock: Clock
  readonly log: Logger
}

/** Opens the database, making it and bringing its schema up to date. @throws service_unavailable storage_full */
export async function openStore(options: OpenOptions): Promise<Store> {
  const { clock, log } = options
  const { dialect, kysely } = await dialectFor(options)
  const db = new Kysely<Database>({ dialect: kysely })
  const listeners: (() => void)[] = []
  const transaction = async <T>(fn: (tx: Tx) => Promise<T>) => {
    const result = await runTransaction(db, clock, log, fn)
    for (const listener of listeners) listener()
    return result
  }
  try {
    const version = await migrate({ dialect, transaction })
    log.debug({ dialect, version }, 'database open')
  } catch (error) {
    await db.destroy()
    throw error
  }
  const watched = sqlitePath(options.url)
  const version = watched === undefined ? undefined : watchDataVersion(watched)
  return {
    db,
    dialect,
    transaction,
    dataVersion: () => version?.read(),
    onCommit: (listener) => void listeners.push(listener),
    async close() {
      version?.close()
      await db.destroy()
    },
  }
}

/** Path of the file that a `sqlite:` URL names. */
function sqlitePath(url: string): string | undefined {
  return /^sqlite:(\/.+)$/.exec(url)?.[1]
}

async function dialectFor({ url, clock, log }: OpenOptions): Promise<{ dialect: Dialect; kysely: KyselyDialect }> {
  if (/^postgres(ql)?:\/\//.test(url)) return { dialect: 'postgres', kysely: postgresDialect({ url, log }) }
  const path = sqlitePath(url)
  if (path === undefined) fail('validation_error', { message: 'The database URL must be sqlite:/absolute/path or postgres://…' })
  await makeFile(path)
  await refuseDamagedFile(path)
  return { dialect: 'sqlite', kysely: sqliteDialect({ path, clock }) }
}

/** Makes the file, readable by us alone, before SQLite makes it readable by everybody; WAL and shared memory take over its mode. */
async function makeFile(path: string): Promise<void> {
  try {
    await ensureDirectory(dirname(path))
    const file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o600)
    await file.close()
  } catch (error) {
    throw translateFileError(error)
  }
}

/** What the file system says when the file cannot be opened, in our words. */
function translateFileError(error: unknown): unknown {
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT') return new AlcoveError('storage_full', { message: 'There is no room left for the database.', cause: error })
  return new AlcoveError('service_unavailable', { message: `The database cannot be opened: ${messageOf(error)}`, cause: error })
}

/** How long the function of a transaction may take, ms: less than other writers wait for their turn (15 s), so that one stuck holder fails alone. */
const transactionTimeoutMs = 10_000
/** Runs of one transaction before giving up. */
const maxRuns = 10

async function runTransaction<T>(db: Queryable, clock: Clock, log: Logger, fn: (tx: Tx) => Promise<T>): Promise<T> {
  for (let run = 1; ; run++) {
    try {
      // What must not change in between is locked by name (`lockAccount`), so each statement may see the newest rows.
      return await db
        .transaction()
        .setIsolationLevel('read committed')
        .execute((tx) => inTime(clock, fn(tx)))
    } catch (error) {
      if (!isLostRace(error) || run >= maxRuns) throw error
      log.debug({ err: error, run }, 'transaction lost a race; running it again')
      // Full jitter under a ceiling that doubles from 10 to 640 ms.
      await clock.sleep(Math.random() * 10 * 2 ** Math.min(run, 6))
    }
  }
}

/** The outcome of a transaction's function, if it comes before the transaction must end. What it still does with `tx` afterwards is refused. */
async function inTime<T>(clock: Clock, outcome: Promise<T>): Promise<T> {
  const done = new AbortController()
  const tooLate = clock
    .sleep(transactionTimeoutMs, done.signal)
    .then(() =>
      fail('service_unavailable', { message: `A database transaction did not end within ${transactionTimeoutMs} ms and was rolled back; try again.` }),
    )
  try {
    return await Promise.race([outcome, tooLate])
  } finally {
    tooLate.catch(() => {})
    done.abort()
  }
}
