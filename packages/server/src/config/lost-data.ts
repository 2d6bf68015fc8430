/** A data directory that is not where it was: moved away, or on a disk that is not mounted. */
import { access, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fail } from '../lib/fail.ts'

/**
 * Refuses to begin anew in a data directory that virtual machines on this host were started from: their rows are elsewhere, and a second
 * installation in its place would hide that.
 * @throws service_unavailable
 */
export async function refuseLostData(dataDir: string, database: string): Promise<void> {
  // With a database elsewhere the lock tells that the directory is the one that was used.
  const expected = /^sqlite:(.+)$/.exec(database)?.[1] ?? join(dataDir, 'lock.db')
  if (await isThere(expected)) return
  const pids = await processesBelow(join(dataDir, 'vm'))
  if (pids.length === 0) return
  fail('service_unavailable', {
    message: `${expected} is missing, but virtual machines that were started from ${dataDir} are running (process ${pids.slice(0, 5).join(', ')}). Mount or move the data directory back, or restore a backup; they go on meanwhile.`,
  })
}

/** Processes of virtual machines that were given a disk in `directory`: launchers keep the names in their environment. */
async function processesBelow(directory: string): Promise<number[]> {
  const found: number[] = []
  for (const entry of await readdir('/proc')) {
    if (!/^[0-9]+$/.test(entry)) continue
    // A process may end meanwhile.
    const environment = await readFile(`/proc/${entry}/environ`, 'utf8').catch(() => '')
    if (environment.split('\0').some((variable) => variable.startsWith(`DISK=${directory}/`))) found.push(Number(entry))
  }
  return found
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
