/** The end of a process that must not go on: at once, as a kill would, with nothing tidied up. */
import { writeSync } from 'node:fs'
import { messageOf } from './fail.ts'
import type { Logger } from './log.ts'

/**
 * Ends this process because the kernel has lost what was written to a file: a second fsync would say that all is well, and an orderly end
 * would make more of it durable. The next start finds what the disk really holds.
 */
export function endForLostWrites(what: string, error: unknown): never {
  const msg = 'written data could not be made durable; ending, so that the next start reads what is really there'
  try {
    writeSync(2, `${JSON.stringify({ level: 60, what, reason: messageOf(error), msg })}\n`)
  } catch {
    // Nobody listens; the end is what matters.
  }
  process.kill(process.pid, 'SIGKILL')
  // The kernel ends the process before the call returns.
  throw error
}

/** Ends this process, with a line in the log, at an error that nobody caught: what it left half done is unknown, and the next start puts it in order. */
export function endOnUncaught(log: Pick<Logger, 'fatal'>): void {
  // Rejections that nobody handles come here as well.
  process.on('uncaughtException', (err, origin) => {
    log.fatal({ err, origin }, 'an error was not caught; ending')
    process.exit(1)
  })
}
