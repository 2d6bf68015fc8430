/** Whether anything was committed since one last looked, without asking for any row. */
import SqliteDatabase from 'better-sqlite3'

/** A number that differs after every commit, of whatever connection or process. */
export interface DataVersion {
  read(): number
  close(): void
}

/** Watches a database file through a connection of its own: SQLite counts the commits of the others. @see PRAGMA data_version */
export function watchDataVersion(path: string): DataVersion {
  const file = new SqliteDatabase(path, { readonly: true, fileMustExist: true })
  const version = file.prepare<[], number>('pragma data_version').pluck()
  return { read: () => version.get() ?? Number.NaN, close: () => file.close() }
}
