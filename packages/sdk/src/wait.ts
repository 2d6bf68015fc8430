/** Waiting for a workspace that is still being made. */
import { createDeadline, sleep } from './clock.ts'
import { ConflictError, errorOfAnswer, TimeoutError } from './errors.ts'
import type { Workspace } from './types.gen.ts'

/** How long and how to wait. */
export interface WaitOptions {
  readonly signal?: AbortSignal
  /** Longest wait, ms; default 10 min. */
  readonly timeoutMs?: number
  /** Called with each answer, also the last. */
  readonly onProgress?: (workspace: Workspace) => void
}

const defaultTimeoutMs = 600_000
/** Pauses between two looks: the first, and the longest, ms. */
const firstPauseMs = 250
const longestPauseMs = 2_000

/** Looks until the workspace is ready. @throws AlcoveError with the code of the failure, `vm_not_running` when it was stopped, `timeout`. */
export async function waitUntilReady(look: (signal: AbortSignal) => Promise<Workspace>, options: WaitOptions): Promise<Workspace> {
  const timeoutMs = options.timeoutMs ?? defaultTimeoutMs
  const deadline = createDeadline(timeoutMs, options.signal)
  try {
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 1.5, longestPauseMs)) {
      const workspace = await look(deadline.signal)
      options.onProgress?.(workspace)
      if (isReady(workspace)) return workspace
      await sleep(pauseMs, deadline.signal)
    }
  } catch (error) {
    if (deadline.hasExpired()) throw new TimeoutError(`the workspace was not ready within ${timeoutMs} ms`, { code: 'timeout', retryable: true }, error)
    throw error
  } finally {
    deadline.release()
  }
}

function isReady(workspace: Workspace): boolean {
  const { id, info, provisioning } = workspace
  switch (info.status) {
    case 'running':
      // A server that does not tell `ready` has nothing more to wait for.
      return workspace.ready !== false
    case 'creating':
    case 'starting':
    case 'resuming':
      return false
    case 'failed': {
      const failure = info.failure ?? provisioning?.error ?? { code: 'CREATE_FAILED', message: `workspace ${id} failed` }
      throw errorOfAnswer({ status: 500, body: { code: failure.code, message: failure.message }, requestId: undefined, retryAfterMs: undefined })
    }
    default:
      throw new ConflictError(`workspace ${id} is ${info.status}; it does not become ready by waiting`, { code: 'vm_not_running', status: 409 })
  }
}
