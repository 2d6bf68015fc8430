/**
 * SQLite behind Kysely: one connection writes, one reads. Readers never wait for a transaction, and writers of this process queue
 * instead of finding the file busy.
 */
import SqliteDatabase from 'better-sqlite3'
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'
import type { Clock } from '../lib/clock.ts'
import { endForLostWrites } from '../lib/end-process.ts'
import { fail } from '../lib/fail.ts'
import { isBusy, isLostWrite, translateDatabaseError } from './database-error.ts'

/** How long to wait for another process, such as `alcove key create`, ms. */
const busyTimeoutMs = 5000
/** How long the event loop may stand still for it at a time, ms; the rest of the waiting is asynchronous. */
const busyBlockMs = 20
/** How long a write may wait for the other writes of this process, ms: also ends a wait for oneself, a `db` write inside a transaction. */
const turnTimeoutMs = 15_000
/** Statements kept compiled per connection; beyond it the oldest goes. */
const maxStatements = 256

/** A Kysely dialect over one database file. Writes with `synchronous=FULL`: what was acknowledged survives a power cut. */
export function sqliteDialect({ path, clock }: { readonly path: string; readonly clock: Clock }): Dialect {
  return {
    createAdapter: () => new TwoConnectionAdapter(),
    createDriver: () => new SqliteDriver(path, clock),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  }
}

/** Kysely would put every query behind an open transaction otherwise, reads too. */
class TwoConnectionAdapter extends SqliteAdapter {
  override get supportsMultipleConnections(): boolean {
    return true
  }
}

class SqliteDriver implements Driver {
  readonly #path: string
  readonly #clock: Clock
  readonly #turns: Turns
  #open: { readonly reader: Statements; readonly writer: Statements } | undefined

  constructor(path: string, clock: Clock) {
    this.#path = path
    this.#clock = clock
    this.#turns = new Turns(clock)
  }

  async init(): Promise<void> {
    const writer = await whenFree(this.#clock, () => openFile(this.#path))
    try {
      const reader = await whenFree(this.#clock, () => openFile(this.#path))
      reader.pragma('query_only = on')
      this.#open = { reader: new Statements(reader), writer: new Statements(writer) }
    } catch (error) {
      writer.close()
      throw error
    }
  }

  async acquireConnection(): Promise<SqliteConnection> {
    if (!this.#open) fail('service_unavailable', { message: 'The database is closed: the server is stopping.' })
    return new SqliteConnection(this.#open, this.#turns, this.#clock)
  }

  beginTransaction(connection: SqliteConnection): Promise<void> {
    return connection.begin()
  }

  async commitTransaction(connection: SqliteConnection): Promise<void> {
    connection.commit()
  }

  async rollbackTransaction(connection: SqliteConnection): Promise<void> {
    connection.rollback()
  }

  async releaseConnection(connection: SqliteConnection): Promise<void> {
    connection.release()
  }

  async destroy(): Promise<void> {
    // Whoever has not ended by then is rolled back by closing: a stop must not wait for ever either.
    await this.#turns.take().catch(() => {})
    this.#open?.reader.close()
    this.#open?.writer.close()
    this.#open = undefined
  }
}

class SqliteConnection implements DatabaseConnection {
  readonly #files: { readonly reader: Statements; readonly writer: Statements }
  readonly #turns: Turns
  readonly #clock: Clock
  /** Ends our turn as the writer; set while a transaction is open. */
  #endTurn: (() => void) | undefined

  constructor(files: { readonly reader: Statements; readonly writer: Statements }, turns: Turns, clock: Clock) {
    this.#files = files
    this.#turns = turns
    this.#clock = clock
  }

  async begin(): Promise<void> {
    const endTurn = await this.#turns.take()
    try {
      await whenFree(this.#clock, () => this.#files.writer.execute('begin immediate'))
    } catch (error) {
      endTurn()
      throw error
    }
    this.#endTurn = endTurn
  }

  commit(): void {
    translating(() => this.#files.writer.execute('commit'))
  }

  rollback(): void {
    // A full disk makes SQLite roll back by itself.
    if (this.#files.writer.inTransaction) translating(() => this.#files.writer.execute('rollback'))
  }

  release(): void {
    this.#endTurn?.()
    this.#endTurn = undefined
  }

  async executeQuery<Row>({ sql, parameters }: CompiledQuery): Promise<QueryResult<Row>> {
    if (this.#endTurn) return translating(() => this.#files.writer.run<Row>(sql, parameters))
    // Even a reader may find the file busy: while another process recovers it after a kill, or closes it as the last one.
    if (await whenFree(this.#clock, () => this.#files.reader.isReadOnly(sql))) {
      return whenFree(this.#clock, () => this.#files.reader.run<Row>(sql, parameters))
    }
    const endTurn = await this.#turns.take()
    try {
      return await whenFree(this.#clock, () => this.#files.writer.run<Row>(sql, parameters))
    } finally {
      endTurn()
    }
  }

  // biome-ignore lint/correctness/useYield: the interface wants a generator, and nothing here streams
  async *streamQuery<Row>(): AsyncIterableIterator<QueryResult<Row>> {
    throw new Error('streaming is not supported')
  }
}

function openFile(path: string): SqliteDatabase.Database {
  const file = new SqliteDatabase(path, { timeout: busyBlockMs })
  try {
    file.pragma('journal_mode = wal')
    file.pragma('synchronous = full')
    file.pragma('foreign_keys = on')
    // 64 MiB of WAL at most stay on disk after a burst.
    file.pragma('journal_size_limit = 67108864')
    return file
  } catch (error) {
    file.close()
    throw error
  }
}

/** A connection with its compiled statements. */
class Statements {
  readonly #file: SqliteDatabase.Database
  readonly #compiled = new Map<string, SqliteDatabase.Statement<unknown[]>>()

  constructor(file: SqliteDatabase.Database) {
    this.#file = file
  }

  get inTransaction(): boolean {
    return this.#file.inTransaction
  }

  isReadOnly(sql: string): boolean {
    return this.#compile(sql).readonly
  }

  run<Row>(sql: string, parameters: readonly unknown[]): QueryResult<Row> {
    const statement = this.#compile(sql)
    if (statement.reader) return { rows: statement.all(...parameters) as Row[] }
    return { rows: [], numAffectedRows: BigInt(statement.run(...parameters).changes) }
  }

  execute(sql: string): void {
    this.#file.exec(sql)
  }

  close(): void {
    this.#file.close()
  }

  #compile(sql: string): SqliteDatabase.Statement<unknown[]> {
    const known = this.#compiled.get(sql)
    if (known) return known
    const statement = this.#file.prepare<unknown[]>(sql)
    if (this.#compiled.size >= maxStatements) this.#compiled.delete(this.#compiled.keys().next().value ?? '')
    this.#compiled.set(sql, statement)
    return statement
  }
}

/** One at a time, in order of asking. */
class Turns {
  readonly #clock: Clock
  #last: Promise<void> = Promise.resolve()
  /** Holder and waiters. */
  #count = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Waits for our turn; the returned function ends it. @throws service_unavailable when the turn does not come in time */
  async take(): Promise<() => void> {
    const before = this.#last
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#last = promise
    const endTurn = () => {
      this.#count--
      resolve()
    }
    if (this.#count++ === 0 || (await this.#comes(before))) return endTurn
    // The turn is passed on when it comes after all.
    void before.then(endTurn)
    fail('service_unavailable', { message: `No write to the database was possible within ${turnTimeoutMs} ms; try again.` })
  }

  async #comes(turn: Promise<void>): Promise<boolean> {
    const waiting = new AbortController()
    const tooLate = this.#clock.sleep(turnTimeoutMs, waiting.signal).then(
      () => false,
      () => true,
    )
    const inTime = await Promise.race([turn.then(() => true), tooLate])
    waiting.abort()
    return inTime
  }
}

/** Runs `fn` again while another process holds the file. @throws service_unavailable when that lasts longer than {@link busyTimeoutMs} */
async function whenFree<T>(clock: Clock, fn: () => T): Promise<T> {
  let deadline: AbortSignal | undefined
  for (;;) {
    try {
      return fn()
    } catch (error) {
      if (!isBusy(error) || deadline?.aborted) throw raised(error)
      deadline ??= clock.deadline(busyTimeoutMs)
      await clock.sleep(5 + Math.random() * 20)
    }
  }
}

function translating<T>(fn: () => T): T {
  try {
    return fn()
  } catch (error) {
    throw raised(error)
  }
}

/** What to raise for a failure of the file. A failed fsync ends the process: SQLite would take the next one at its word. */
function raised(error: unknown): unknown {
  if (isLostWrite(error)) endForLostWrites('the database', error)
  return translateDatabaseError(error)
}
