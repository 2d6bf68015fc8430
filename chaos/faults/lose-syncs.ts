/**
 * The known fault of T7's control, loaded into the daemon by `NODE_OPTIONS=--import`: nothing is made durable. SQLite runs with
 * `synchronous=NORMAL`, and an fsync of a file says that all is well.
 */
import { open } from 'node:fs/promises'
import Sqlite from 'better-sqlite3'

const prototype = Sqlite.prototype as { pragma: (text: string, options?: unknown) => unknown }
const { pragma } = prototype
prototype.pragma = function lazily(text, options) {
  return pragma.call(this, text === 'synchronous = full' ? 'synchronous = normal' : text, options)
}

const file = await open('/dev/null')
Object.getPrototypeOf(file).sync = async () => {}
await file.close()
