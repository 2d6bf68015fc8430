/** What a failed boot is told as. */
import { AlcoveError, messageOf } from '../lib/fail.ts'
import type { Logger } from '../lib/log.ts'
import { tailLog } from './log-files.ts'

/** Lines of the console that go into the error. */
const consoleLines = 20
/** Bound of what a guest may put into an error, characters. */
const consoleChars = 3000

/** Where a boot stood when it failed. */
export interface FailedBoot {
  readonly signal: AbortSignal
  readonly bootTimeoutMs: number
  /** Directory of the logs; `undefined` when no VM was launched. */
  readonly logs: string | undefined
  /** Space left for the data directory, MiB. */
  readonly freeDiskMib: () => Promise<number>
  readonly log: Logger
}

/** An aborted boot keeps its reason, a registered error its code; the rest is a VM that did not start, with what its console said last. */
export async function bootError(error: unknown, { signal, bootTimeoutMs, logs, freeDiskMib, log }: FailedBoot): Promise<unknown> {
  if (signal.aborted) return signal.reason
  // What QEMU says of a full disk is for the operator only, and it may have had no room to say it.
  if (error instanceof AlcoveError && error.code === 'VM_UNAVAILABLE' && (await freeDiskMib()) === 0) return new AlcoveError('storage_full', { cause: error })
  if (error instanceof AlcoveError && error.code !== 'START_FAILED') return error
  if (['ENOSPC', 'EDQUOT'].includes(codeOf(error))) return new AlcoveError('storage_full', { cause: error })
  if (['EROFS', 'EIO'].includes(codeOf(error))) {
    log.error({ err: error }, 'a step of a boot could not write')
    return new AlcoveError('storage_full', { message: 'The disk of the host is read-only or broken; the server log says where.', cause: error })
  }
  const console = logs === undefined ? '' : (await tailLog(logs, 'boot', consoleLines).catch(() => '')).slice(-consoleChars)
  return new AlcoveError('START_FAILED', {
    message: `The virtual machine did not start: ${explain(error, bootTimeoutMs, log)}${console ? `\nLast lines of its console:\n${console}` : ''}`,
    details: { console },
    cause: error,
  })
}

function explain(error: unknown, bootTimeoutMs: number, log: Logger): string {
  if (error instanceof Error && error.name === 'TimeoutError') return `the guest did not come up within ${Math.round(bootTimeoutMs / 1000)} s`
  if (codeOf(error) === '' && !(error instanceof Error && error.name === 'SubprocessError')) return messageOf(error)
  // Paths and commands of the host are for its operator only.
  log.error({ err: error }, 'a step of a boot failed on the host')
  return 'a step on the host failed; the server log has the details'
}

/** Code of a system error, such as `EIO`; empty for other errors. */
function codeOf(error: unknown): string {
  const { errno, code } = (error ?? {}) as NodeJS.ErrnoException
  return errno === undefined ? '' : String(code)
}
