/** Workspaces. One row each; reading is the hot path of the server. */
import { runningPoolStatuses, type WorkspaceStatus } from '@alcove/contract'
import { type Expression, type SqlBool, sql } from 'kysely'
import { prepare } from './prepared.ts'
import type { Queryable } from './schema.ts'
import {
  decodeLocated,
  decodeWorkspace,
  encodeNew,
  encodePatch,
  type LocatedWorkspace,
  type NewWorkspace,
  type StoredWorkspace,
  slotColumn,
  type WorkspacePatch,
  type WorkspaceRow,
} from './workspace-row.ts'

export { findHead, listPage, type PageQuery, type WorkspaceHead, type WorkspacePage } from './workspace-pages.ts'
export type { Failure, LocatedWorkspace, NewWorkspace, WorkspacePatch, WorkspaceRow } from './workspace-row.ts'

/** Resources of some workspaces together. */
export interface Amounts {
  readonly cpus: number
  /** MiB */
  readonly memory_mb: number
  /** MiB */
  readonly disk_mb: number
}

/** What an account uses: a sum over its rows, never a counter. */
export interface Usage {
  readonly count: number
  readonly owned: Amounts
  readonly running: Amounts
}

const selectOne = prepare<StoredWorkspace & { slot: number | null }>(`select *, ${slotColumn} from workspaces where id = ?`)

/** Stores a workspace and returns it. */
export async function insert(q: Queryable, workspace: NewWorkspace): Promise<WorkspaceRow> {
  const row = encodeNew(workspace)
  await q.insertInto('workspaces').values(row).execute()
  return decodeWorkspace(row)
}

/** Returns a workspace of an account; another account's is as unknown as one that never was. */
export async function find(q: Queryable, accountId: string, id: string): Promise<LocatedWorkspace | undefined> {
  const row = await findAny(q, id)
  return row?.account_id === accountId ? row : undefined
}

/** Returns a workspace, whoever owns it. */
export async function findAny(q: Queryable, id: string): Promise<LocatedWorkspace | undefined> {
  const [row] = await selectOne(q, [id])
  return row && decodeLocated(row)
}

/** Returns how many workspaces there are in each state that has any. */
export async function countByStatus(q: Queryable): Promise<Partial<Record<WorkspaceStatus, number>>> {
  const rows = await q
    .selectFrom('workspaces')
    .select(['status', (e) => e.fn.countAll<number>().as('total')])
    .groupBy('status')
    .execute()
  return Object.fromEntries(rows.map((row) => [row.status, Number(row.total)]))
}

/** Returns all workspaces in one of the states, oldest first. */
export async function listByStatus(q: Queryable, statuses: readonly WorkspaceStatus[]): Promise<WorkspaceRow[]> {
  if (statuses.length === 0) return []
  const rows = await q.selectFrom('workspaces').selectAll().where('status', 'in', statuses).orderBy('created_at').orderBy('id').execute()
  return rows.map(decodeWorkspace)
}

const selectDue = prepare<StoredWorkspace & { slot: number | null }>(
  `select *, ${slotColumn} from workspaces where expires_at <= ? union select *, ${slotColumn} from workspaces where restart_at <= ? order by created_at limit 100`,
)

/** Returns workspaces whose time to live is over or whose restart is due at `now`, oldest first; at most 100. */
export async function listDue(q: Queryable, now: number): Promise<LocatedWorkspace[]> {
  return (await selectDue(q, [now, now])).map(decodeLocated)
}

/** Moves every due time by `ms`, and when a VM was started: the clock was set, and what is due is due after the same time all the same. */
export async function shiftDueTimes(q: Queryable, ms: number): Promise<void> {
  // With a new version, since it is shown: what is kept of a row is to be read again.
  await sql`update workspaces set expires_at = expires_at + ${ms}, restart_at = restart_at + ${ms}, deadline_at = deadline_at + ${ms},
    started_at = started_at + ${ms}, version = version + 1`.execute(q)
  await sql`update slots set released_at = released_at + ${ms} where released_at is not null`.execute(q)
  await sql`update idempotency set created_at = created_at + ${ms}, expires_at = expires_at + ${ms}`.execute(q)
}

/** Returns of every workspace its status and the boot it speaks of. */
export async function listBoots(q: Queryable): Promise<Pick<WorkspaceRow, 'id' | 'status' | 'boot_id'>[]> {
  return q.selectFrom('workspaces').select(['id', 'status', 'boot_id']).execute()
}

/** Returns the id of every workspace. */
export async function listIds(q: Queryable): Promise<string[]> {
  const rows = await q.selectFrom('workspaces').select('id').orderBy('id').execute()
  return rows.map((row) => row.id)
}

/** Returns the digests of images that a workspace is pinned to. */
export async function listImageDigests(q: Queryable): Promise<Set<string>> {
  const rows = await q.selectFrom('workspaces').select('image_digest').distinct().where('image_digest', 'is not', null).execute()
  return new Set(rows.flatMap((row) => row.image_digest ?? []))
}

/** Changes a workspace whatever its state, and returns it as it is then. */
export function update(q: Queryable, id: string, patch: WorkspacePatch, now: number): Promise<WorkspaceRow | undefined> {
  return change(q, patch, now, sql<SqlBool>`id = ${id}`)
}

/** Which row a compare-and-set expects. */
export interface Expectation {
  readonly id: string
  readonly from: readonly WorkspaceStatus[]
  /** Boot the row must speak of; not compared when absent. */
  readonly bootId?: string | null
  /** Version the row must have; not compared when absent. */
  readonly version?: number
}

/** Changes a workspace if it is as expected, and returns it as it is then; `undefined` when it is not. */
export function compareAndSet(q: Queryable, expected: Expectation, patch: WorkspacePatch, now: number): Promise<WorkspaceRow | undefined> {
  const { id, from, bootId, version } = expected
  if (from.length === 0) return Promise.resolve(undefined)
  const conditions = [sql`id = ${id}`, sql`status in (${sql.join(from)})`]
  if (bootId !== undefined) conditions.push(bootId === null ? sql`boot_id is null` : sql`boot_id = ${bootId}`)
  if (version !== undefined) conditions.push(sql`version = ${version}`)
  return change(q, patch, now, sql<SqlBool>`${sql.join(conditions, sql` and `)}`)
}

/** Removes a workspace; tells whether it was there. */
export async function remove(q: Queryable, id: string): Promise<boolean> {
  const result = await q.deleteFrom('workspaces').where('id', '=', id).executeTakeFirst()
  return result.numDeletedRows === 1n
}

async function change(q: Queryable, patch: WorkspacePatch, now: number, where: Expression<SqlBool>): Promise<WorkspaceRow | undefined> {
  const row = await q
    .updateTable('workspaces')
    .set(encodePatch(patch))
    .set({ version: sql<number>`version + 1`, updated_at: now })
    .where(where)
    .returningAll()
    .executeTakeFirst()
  return row && decodeWorkspace(row)
}

const running = runningPoolStatuses.map((status) => `'${status}'`).join(', ')
const sumRunning = (column: string) => `coalesce(sum(case when status in (${running}) then ${column} else 0 end), 0)`
const selectUsage = prepare<Record<'count' | 'cpus' | 'memory_mb' | 'disk_mb' | 'running_cpus' | 'running_memory_mb' | 'running_disk_mb', number>>(
  `select count(*) as count, coalesce(sum(cpus), 0) as cpus, coalesce(sum(memory_mb), 0) as memory_mb, coalesce(sum(disk_mb), 0) as disk_mb,
   ${sumRunning('cpus')} as running_cpus, ${sumRunning('memory_mb')} as running_memory_mb, ${sumRunning('disk_mb')} as running_disk_mb
   from workspaces where account_id = ? and id <> ?`,
)

/** Sums what an account uses, leaving out one workspace if `excludeId` names it. */
export async function usage(q: Queryable, accountId: string, excludeId = ''): Promise<Usage> {
  const [row] = await selectUsage(q, [accountId, excludeId])
  if (!row) throw new Error('an aggregate returned no row')
  return {
    count: row.count,
    owned: { cpus: row.cpus, memory_mb: row.memory_mb, disk_mb: row.disk_mb },
    running: { cpus: row.running_cpus, memory_mb: row.running_memory_mb, disk_mb: row.running_disk_mb },
  }
}
