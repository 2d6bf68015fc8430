/** Keeps what Node made of our sources, so that the next start need not make it again. Loaded by `bin/alcove` in front of everything else. */
import { mkdirSync, statSync } from 'node:fs'
import { enableCompileCache, flushCompileCache } from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'

useCompileCache()

/** Uses the cache of this user, where there can be one. What lies in it is run, so nobody else may be able to write there. */
function useCompileCache(): void {
  const directory = join(homedir(), '.cache/alcove/node')
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const { uid, mode } = statSync(directory)
    if (uid === process.getuid?.() && (mode & 0o022) === 0) enableCompileCache(directory)
  } catch {
    // A home that cannot be written costs time only.
  }
}

/** Writes what this process made, for the next one. To be called once all is loaded: a process that is killed writes nothing. */
export function keepCompiled(): void {
  flushCompileCache()
}
