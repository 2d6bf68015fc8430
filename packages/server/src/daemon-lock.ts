/**
 * One daemon per data directory. SQLite locks with fcntl: the kernel drops the lock with the process, and a child that was forked
 * but not yet exec'ed does not have it (docs/adr/0002).
 */
import { join } from 'node:path'
import Sqlite from 'better-sqlite3'
import type { Clock } from './lib/clock.ts'
import { fail } from './lib/fail.ts'

/** Time a start waits for a daemon that is just ending, ms. */
const patienceMs = 5_000

/** Takes the lock of a data directory; it is held until the returned function is called or the process ends. @throws service_unavailable */
export async function takeDaemonLock(dataDir: string, clock: Clock): Promise<() => void> {
  const deadline = clock.monotonic() + patienceMs
  const path = join(dataDir, 'lock.db')
  for (;;) {
    const release = tryLock(path)
    if (release) return release
    if (clock.monotonic() >= deadline)
      fail('service_unavailable', {
        message: `Another Alcove daemon serves ${dataDir} (${path} is locked). Stop it first: script/down.`,
        details: { locked: dataDir },
      })
    await clock.sleep(100)
  }
}

function tryLock(path: string): (() => void) | undefined {
  const db = new Sqlite(path, { timeout: 0 })
  try {
    db.exec('begin exclusive')
    const release = () => {
      process.off('exit', release)
      db.close()
    }
    // Also keeps the database from being collected, and the lock with it, when the caller forgets how to release it.
    process.on('exit', release)
    return release
  } catch (error) {
    db.close()
    if (String((error as { code?: string }).code).startsWith('SQLITE_BUSY')) return undefined
    throw error
  }
}
