/**
 * Rows and host side by side, by our own eyes: quick enough for after every kill, and independent of the auditor that the product has.
 * Says nothing of a workspace that is moving.
 */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import { movingStatuses } from '../packages/contract/src/states.ts'
import { lastSlot } from '../packages/server/src/store/slots.ts'
import { qemuProcesses, workspaceTraces } from '../test/support/daemon-traces.ts'
import type { World } from './world.ts'

/** A workspace as the database has it. */
export interface Row {
  readonly id: string
  readonly status: string
  readonly boot_id: string | null
}

/** The rows, read beside the daemon. */
export function readRows(database: string): Row[] {
  const db = new Sqlite(database, { readonly: true })
  try {
    return db.prepare('select id, status, boot_id from workspaces').all() as Row[]
  } finally {
    db.close()
  }
}

/** Workspaces whose deadline is over at `now`, ms since the epoch. */
export function pastDeadline(database: string, now: number): string[] {
  const db = new Sqlite(database, { readonly: true })
  try {
    return (db.prepare('select id from workspaces where deadline_at < ?').all(now) as { id: string }[]).map(({ id }) => id)
  } finally {
    db.close()
  }
}

/** Operations that have not ended. */
export function openOperations(database: string): string[] {
  const db = new Sqlite(database, { readonly: true })
  try {
    return (db.prepare("select id, verb from operations where status = 'running'").all() as { id: string; verb: string }[]).map(
      ({ id, verb }) => `${id} (${verb})`,
    )
  } finally {
    db.close()
  }
}

/** Makes addresses scarce: all but the last `left` of the pool were given away long ago, as far as the daemon knows. */
export function leaveSlots(database: string, left: number): void {
  const db = new Sqlite(database)
  try {
    db.pragma('busy_timeout = 5000')
    db.prepare('insert into slots (slot, workspace_id, released_at) values (?, null, 0)').run(lastSlot - left)
  } finally {
    db.close()
  }
}

/** Whether something is under way in a status. */
export function isMoving(status: string): boolean {
  return (movingStatuses as readonly string[]).includes(status)
}

/** Statuses in which there is a VM. */
export const hasVm = (status: string): boolean => status === 'running' || status === 'paused'

/** What rows and host disagree on, one line each. */
export async function explainHost(world: Pick<World, 'database' | 'dataDir' | 'installId'>): Promise<string[]> {
  const rows = new Map(readRows(world.database).map((row) => [row.id, row]))
  const [processes, traces, directories] = await Promise.all([
    qemuProcesses(world.installId),
    workspaceTraces(world),
    readdir(join(world.dataDir, 'vm')).catch((): string[] => []),
  ])
  const found: string[] = []
  // The launcher's shell bears the same words, but not as its first argument.
  const marks = processes.flatMap((line) => /^process \d+: \S+ -name alcove:[0-9a-z]+:(ws_[a-z0-9]+):(boot_[a-z0-9]+)/.exec(line)?.slice(1).join(' ') ?? [])
  for (const [id, row] of rows) {
    if (isMoving(row.status)) continue
    const own = marks.filter((mark) => mark.startsWith(`${id} `))
    const wanted = hasVm(row.status) ? [`${id} ${row.boot_id}`] : []
    if (own.toSorted().join() !== wanted.join()) found.push(`${id} is ${row.status} with boot ${row.boot_id}, its processes are [${own.join(', ')}]`)
    if (!directories.includes(id)) found.push(`${id} is ${row.status} and has no directory`)
  }
  for (const line of traces) {
    // The mounts are those of the whole host.
    if (line.startsWith('mount:') && !line.includes(world.dataDir)) continue
    const [id] = /ws_[a-z0-9]+/.exec(line) ?? []
    const row = id === undefined ? undefined : rows.get(id)
    // Of a stopped workspace only its directory is left.
    const isExplained = row && (isMoving(row.status) || hasVm(row.status) || line.startsWith('directory'))
    if (!isExplained) found.push(`nothing explains ${line.slice(0, 200)}`)
  }
  return found
}
