/** The census's own way to the database: a connection that cannot write, and consistent readings of the rows. */
import SqliteDatabase from 'better-sqlite3'
import { CompiledQuery, Kysely, SqliteDialect } from 'kysely'
import { fail, messageOf } from '../lib/fail.ts'
import { createLogger } from '../lib/log.ts'
import type { Queryable } from '../store/open.ts'
import { postgresDialect } from '../store/postgres.ts'
import { type Dialect, prepare } from '../store/prepared.ts'
import type { Database } from '../store/schema.ts'
import type { AuditRow, OpenOperation, Rows } from './known.ts'

/** A connection that only reads. */
export interface ReadDatabase {
  readonly dialect: Dialect
  readonly db: Queryable
  close(): Promise<void>
}

/** Opens the database of an installation; makes nothing and brings nothing up to date. @throws service_unavailable */
export async function openToRead(url: string): Promise<ReadDatabase> {
  try {
    const dialect = /^postgres(ql)?:/.test(url) ? 'postgres' : 'sqlite'
    const db = new Kysely<Database>({ dialect: dialect === 'postgres' ? postgresDialect({ url: readOnly(url), log: createLogger('silent') }) : sqlite(url) })
    // Fails now rather than in every part.
    await db.selectFrom('meta').select('key').limit(1).execute()
    return { dialect, db, close: () => db.destroy() }
  } catch (error) {
    return fail('service_unavailable', { message: `The database cannot be read: ${messageOf(error)}`, cause: error })
  }
}

/** Each connection begins with transactions that cannot write. The host of such an address may be empty, which is no URL to the parser of URLs. */
function readOnly(url: string): string {
  return `${url}${url.includes('?') ? '&' : '?'}options=${encodeURIComponent('-c default_transaction_read_only=on')}`
}

function sqlite(url: string): SqliteDialect {
  const database = new SqliteDatabase(url.replace(/^sqlite:/, ''), { readonly: true, fileMustExist: true, timeout: 5000 })
  return new SqliteDialect({ database })
}

/** Reads everything the census judges, as it was at one moment. @throws not_found when no daemon has ever served this database */
export function readRows({ db, dialect }: ReadDatabase): Promise<Rows> {
  const snapshot = dialect === 'postgres' ? db.transaction().setIsolationLevel('repeatable read') : db.transaction()
  return snapshot.execute(async (tx) => {
    const meta = new Map((await tx.selectFrom('meta').selectAll().execute()).map(({ key, value }) => [key, value]))
    const installId = meta.get('install_id')
    if (installId === undefined) return fail('not_found', { message: 'No daemon has served this database yet; there is nothing to audit.' })
    const slots = await tx.selectFrom('slots').selectAll().orderBy('slot').execute()
    const held = new Map(slots.map(({ slot, workspace_id }) => [workspace_id, slot]))
    const last = await tx
      .selectFrom('events')
      .select((e) => e.fn.max('seq').as('seq'))
      .executeTakeFirst()
    return {
      ...{ installId, uidBase: Number(meta.get('uid_base')), slots, lastEvent: Number(last?.seq ?? 0) },
      workspaces: (await selectWorkspaces(tx, [])).map((row) => ({ ...row, config: JSON.parse(row.config), slot: held.get(row.id) ?? null })),
      operations: await selectOperations(tx, []),
      accounts: await tx.selectFrom('accounts').select('id').execute(),
      totals: await tx.selectFrom('workspace_totals').select(['account_id', 'total']).execute(),
    }
  })
}

const selectWorkspaces = prepare<Omit<AuditRow, 'config' | 'slot'> & { config: string }>(
  `select id, account_id, status, boot_id, version, mode, image_digest, cpus, memory_mb, disk_mb, config, started_at, deadline_at, expires_at
   from workspaces order by id`,
)
const selectOperations = prepare<OpenOperation>("select id, workspace_id, verb, created_at from operations where status = 'running' order by created_at")
const selectTouched = prepare<{ workspace_id: string }>('select distinct workspace_id from events where seq > ?')
const selectDeleted = prepare<{ seq: number }>("select seq from events where workspace_id = ? and type = 'deleted' limit 1")

/** Workspaces that had an event after `lastEvent`. */
export async function readTouched({ db }: ReadDatabase, lastEvent: number): Promise<ReadonlySet<string>> {
  return new Set((await selectTouched(db, [lastEvent])).map(({ workspace_id }) => workspace_id))
}

/** Those of `ids` of which an event says that they were deleted. */
export async function readDeleted({ db }: ReadDatabase, ids: Iterable<string>): Promise<ReadonlySet<string>> {
  const deleted = new Set<string>()
  for (const id of ids) if ((await selectDeleted(db, [id])).length > 0) deleted.add(id)
  return deleted
}

/** Rows of a `pragma` of SQLite. */
export async function pragma<Row>({ db }: ReadDatabase, text: string): Promise<Row[]> {
  return (await db.executeQuery<Row>(CompiledQuery.raw(`pragma ${text}`))).rows
}
