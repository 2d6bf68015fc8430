/** Looks at a database file before anything is built on it: of a damaged one no row is believed and no virtual machine is judged by it. */
import { stat } from 'node:fs/promises'
import SqliteDatabase from 'better-sqlite3'
import { fail } from '../lib/fail.ts'

/** Largest file that is read as a whole, bytes: about a second. A larger one is checked where it is read, as SQLite does. */
const maxCheckedBytes = 512 * 1024 ** 2

/** Refuses a file that SQLite finds damaged. What another process holds at the moment is left to the caller. @throws service_unavailable */
export async function refuseDamagedFile(path: string): Promise<void> {
  const { size } = await stat(path)
  // A file without a page is a new one; what is in its log is replayed when it is opened for writing.
  if (size === 0) return
  const damage = findDamage(path, size <= maxCheckedBytes)
  if (damage === undefined) return
  fail('service_unavailable', {
    message: `The database ${path} is damaged (${damage}). Restore a backup in its place, or see docs/operations.md; virtual machines go on meanwhile.`,
  })
}

function findDamage(path: string, isWhole: boolean): string | undefined {
  let file: SqliteDatabase.Database | undefined
  try {
    file = new SqliteDatabase(path, { timeout: 1000 })
    const found = isWhole ? file.pragma('quick_check(1)', { simple: true }) : file.pragma('schema_version', { simple: true })
    return isWhole && found !== 'ok' ? String(found).split('\n')[0] : undefined
  } catch (error) {
    const { code, message } = error as { code?: string; message: string }
    if (/^SQLITE_(CORRUPT|NOTADB)/.test(code ?? '')) return message
    // Busy, full, unreadable: opening it says so in its own words.
    return undefined
  } finally {
    file?.close()
  }
}
