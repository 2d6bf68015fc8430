/** N7: below the data directory are the files of the rows, and no temporary file is older than the longest operation that makes one. */
import { lstat, readdir } from 'node:fs/promises'
import { basename, join, relative } from 'node:path'
import { workspacesRoot } from '../runner/paths.ts'
import { type Judgement, notes } from './finding.ts'
import type { AuditRow, Known } from './known.ts'
import type { Place } from './place.ts'

/** A file or directory. */
export interface ObservedFile {
  /** Path below the data directory. */
  readonly path: string
  /** ms since the epoch. */
  readonly changedAt: number
}

/** Files of a data directory. */
export interface ObservedFiles {
  readonly files: readonly ObservedFile[]
}

/** Directories deeper than this hold nothing that the census judges: `vm/<workspace>/run/<boot>/vm/<socket>`. */
const maxDepth = 6

/** Lists the data directory. */
export async function observeFiles({ dataDir }: Pick<Place, 'dataDir'>): Promise<ObservedFiles> {
  const files: ObservedFile[] = []
  const walk = async (directory: string, depth: number): Promise<void> => {
    for (const name of await readdir(directory).catch(ignoreGone)) {
      const path = join(directory, name)
      const found = await lstat(path).catch(() => undefined)
      // It was removed since the directory was read.
      if (!found) continue
      files.push({ path: relative(dataDir, path), changedAt: Math.max(found.mtimeMs, found.ctimeMs) })
      if (found.isDirectory() && depth < maxDepth) await walk(path, depth + 1)
    }
  }
  await walk(dataDir, 1)
  return { files }
}

function ignoreGone(error: NodeJS.ErrnoException): string[] {
  if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return []
  throw error
}

/** Directory of the workspaces, below the data directory. */
const root = basename(workspacesRoot('/'))

/** Age from which a temporary file is a left-over, ms; making the copy of a large image takes minutes. */
const temporaryMs = 15 * 60_000

/** How code of this server names what is not finished yet, or is being removed. */
const temporary = /(\.tmp|\.partial|\.ext4\.new)$|^\.(adding|gone|bad)-/

/** Files of a workspace whether it has a VM or not. */
const lasting = new Set(['lock', 'disk.ext4', 'logs'])
/** Files of a workspace while it has, or may have, a VM. */
const passing = new Set(['handle.json', 'run'])
const sockets = ['agent.sock', 'qmp.sock', 'qmp2.sock']

/** Compares them with the rows. */
export function compareFiles(known: Known, { files }: ObservedFiles, { now, isSettled }: Pick<Place, 'now' | 'isSettled'>): Judgement {
  const { findings, add } = notes('N7')
  const present = new Set(files.map(({ path }) => path))
  for (const { path, changedAt } of files) {
    if (temporary.test(basename(path)) && (isSettled || now - changedAt > temporaryMs))
      add(path, 'A temporary file was left by an operation that was cut off.', `remove ${path}`, { ageMs: Math.round(now - changedAt) })
    const [first, id, ...rest] = path.split('/')
    if (first !== root || id === undefined) continue
    const message = rest.length === 0 ? strangeDirectory(known, id) : strangeFile(known, id, rest)
    if (message !== undefined) add(path, message, `wait for a pass of the daemon; what it leaves may be removed`)
  }
  for (const row of known.steady) {
    const missing = expectedFiles(known, row).filter((path) => !present.has(path))
    for (const path of missing) add(path, `It is missing, and ${known.describe(row.id)}.`, `see the log of the daemon for ${row.id}`)
  }
  return { findings, checked: { files: files.length, workspaceDirectories: files.filter(({ path }) => /^vm\/[^/]+$/.test(path)).length } }
}

/** What is wrong with an entry of `vm/`. */
function strangeDirectory(known: Known, id: string): string | undefined {
  if (!/^ws_[a-z0-9]+$/.test(id)) return temporary.test(id) ? undefined : 'It is the directory of no workspace.'
  return known.vm(id) === 'none' && !known.row(id) ? `It is there, but ${known.describe(id)}.` : undefined
}

/** What is wrong with something in the directory of a workspace; what is in a strange directory is not told again. */
function strangeFile(known: Known, id: string, [name = '', child, ...deeper]: readonly string[]): string | undefined {
  const row = known.row(id)
  const place = known.vm(id)
  if (!row || place === 'may' || temporary.test(name) || temporary.test(child ?? '')) return undefined
  const isKnown = lasting.has(name) || (place === 'must' && passing.has(name))
  if (child === undefined) return isKnown ? undefined : `It is there, but ${known.describe(id)}.`
  if (name === 'logs') return /^(console|cmd)\.log(\.1)?$/.test(child) ? undefined : 'It is no log of a workspace.'
  return name === 'run' && place === 'must' && deeper.length === 0 && child !== row.boot_id ? `It is of another boot than ${id} runs.` : undefined
}

function expectedFiles(known: Known, { id, status, boot_id: bootId, started_at: startedAt }: AuditRow): string[] {
  const place = known.vm(id)
  if (place === 'may') return []
  // One that has never run may have failed before its disk was made.
  const disk = startedAt !== null && status !== 'failed' ? ['disk.ext4'] : []
  const live = place === 'must' ? ['lock', 'handle.json', 'logs', ...sockets.map((name) => `run/${bootId}/vm/${name}`)] : []
  return [...disk, ...live].map((name) => `${root}/${id}/${name}`)
}
