/** What databases raise, in our words. */
import { AlcoveError, messageOf } from '../lib/fail.ts'

/** PostgreSQL: classes 08 (connection), 53 (resources), 57 (operator intervention), 40 (rollback), and a lock that took too long. */
const postgresUnavailable = /^(08|40|53|57)...$|^55P03$/
const postgresStorage = new Set(['53100', '58030'])
const sqliteUnavailable = /^SQLITE_(BUSY|LOCKED|PROTOCOL|CANTOPEN|READONLY)/
/** A full file system shows as either; see sqlite.org/rescode.html. */
const sqliteStorage = /^SQLITE_(FULL|IOERR)/
const network = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOENT'])
/** What `pg` says without a code when the connection is gone or none is free. */
const lost =
  /connection terminated|timeout exceeded when trying to connect|query read timeout|client has encountered a connection error|connection has been discarded|not queryable/i

/** Returns a registered error for a failure of the database itself; what is our own mistake stays as it is. */
export function translateDatabaseError(error: unknown): unknown {
  if (error instanceof AlcoveError) return error
  const code = codeOf(error)
  if (postgresStorage.has(code) || sqliteStorage.test(code)) {
    return new AlcoveError('storage_full', {
      message: 'The database cannot be written: the disk of the data directory is full, read-only or broken. Make room there, or mend it.',
      cause: error,
    })
  }
  if (postgresUnavailable.test(code) || sqliteUnavailable.test(code) || network.has(code) || lost.test(messageOf(error))) {
    return new AlcoveError('service_unavailable', { message: 'The database does not answer at present; try again.', cause: error })
  }
  return error
}

/** Tells whether an fsync of SQLite failed: then nobody knows what of the last commit is on the disk. */
export function isLostWrite(error: unknown): boolean {
  return /^SQLITE_IOERR_(DIR_)?FSYNC$/.test(codeOf(error))
}

/** Tells whether another process holds the SQLite file. */
export function isBusy(error: unknown): boolean {
  return codeOf(error).startsWith('SQLITE_BUSY')
}

/** Tells whether a PostgreSQL transaction lost against another one and would succeed if it ran again. */
export function isLostRace(error: unknown): boolean {
  const code = codeOf(error instanceof AlcoveError ? error.cause : error)
  return code === '40001' || code === '40P01'
}

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' ? code : ''
}
