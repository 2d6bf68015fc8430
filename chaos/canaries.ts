/** Looking for secrets where none may be: files, rows, the arguments and environments of all processes, and whatever else is text. */
import { createReadStream } from 'node:fs'
import { lstat, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'

/** Secrets by the name of their kind. */
export type Canaries = Readonly<Record<string, string>>

/** A canary in a place. */
export interface Sighting {
  readonly canary: string
  /** `file vm/ws_…/logs/cmd.log`, `argv 123`, `row events.data`. */
  readonly place: string
}

/** The canaries in a text. */
export function scanText(canaries: Canaries, place: string, text: string): Sighting[] {
  return Object.entries(canaries).flatMap(([canary, secret]) => (text.includes(secret) ? [{ canary, place }] : []))
}

/** The canaries in the files below a directory, their names included; what vanishes meanwhile is passed over. */
export async function scanFiles(canaries: Canaries, root: string): Promise<{ sightings: Sighting[]; files: number; bytes: number }> {
  const found = { sightings: [] as Sighting[], files: 0, bytes: 0 }
  for (const name of await readdir(root, { recursive: true })) {
    const path = join(root, name)
    const stats = await lstat(path).catch(gone)
    found.sightings.push(...scanText(canaries, `name ${name}`, name))
    if (!stats?.isFile()) continue
    found.files++
    found.bytes += stats.size
    for (const canary of await scanStream(canaries, path)) found.sightings.push({ canary, place: `file ${name}` })
  }
  return found
}

/** Pieces overlap by the longest canary, so that none is cut. */
async function scanStream(canaries: Canaries, path: string): Promise<Set<string>> {
  const overlap = Math.max(...Object.values(canaries).map((secret) => secret.length))
  const seen = new Set<string>()
  let before = ''
  try {
    for await (const piece of createReadStream(path, { encoding: 'latin1', highWaterMark: 1024 ** 2 })) {
      const text = before + piece
      for (const { canary } of scanText(canaries, path, text)) seen.add(canary)
      before = text.slice(-overlap)
    }
  } catch (error) {
    gone(error as NodeJS.ErrnoException)
  }
  return seen
}

/**
 * The canaries in the arguments and environments of all processes but this one, and the command line of the host's kernel. `closed`: arguments
 * of processes whose environment not even root may read here.
 */
export async function scanProcesses(canaries: Canaries): Promise<{ sightings: Sighting[]; processes: number; closed: string[] }> {
  const found = { sightings: scanText(canaries, 'kernel', await readFile('/proc/cmdline', 'latin1')), processes: 0, closed: [] as string[] }
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)) {
    const argv = (await readFile(`/proc/${pid}/cmdline`, 'latin1').catch(gone)) ?? ''
    const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EACCES' && error.code !== 'EPERM') return gone(error)
      found.closed.push(argv)
    })
    found.processes++
    found.sightings.push(...scanText(canaries, `argv ${pid}`, argv), ...scanText(canaries, `environ ${pid}`, environment ?? ''))
  }
  return found
}

/** The canaries in the rows of a SQLite database, by table and column. */
export function scanRows(canaries: Canaries, path: string): { sightings: Sighting[]; rows: number } {
  const db = new Sqlite(path, { readonly: true })
  const sightings = new Map<string, Sighting>()
  let rows = 0
  try {
    for (const table of db.prepare(`select name from sqlite_master where type = 'table'`).pluck().all() as string[]) {
      for (const row of db.prepare(`select * from "${table}"`).all() as Record<string, unknown>[]) {
        rows++
        for (const [column, value] of Object.entries(row))
          for (const sighting of scanText(canaries, `row ${table}.${column}`, String(value))) sightings.set(JSON.stringify(sighting), sighting)
      }
    }
  } finally {
    db.close()
  }
  return { sightings: [...sightings.values()], rows }
}

function gone(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT' && error.code !== 'ESRCH' && error.code !== 'ENXIO') throw error
}
