/** Denials in the audit chain: who was refused what. */
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import * as audit from '../store/audit.ts'
import type { Store } from '../store/open.ts'

/** Denials of unknown callers that are recorded in a minute: a flood of them must not fill the disk. */
const anonymousPerMinute = 120

/** A request that was refused. */
export interface Denial {
  /** `null` when the caller is unknown. */
  readonly accountId: string | null
  readonly actor: string
  /** API operation. */
  readonly action: string
  readonly target: string | null
  readonly code: string
  readonly requestId: string
}

/** Records denials. */
export interface Denials {
  /** Resolves when it is recorded; never rejects, since the answer must not depend on it. */
  record(denial: Denial): Promise<void>
}

/** Makes the record. */
export function createDenials({ store, clock, log }: { readonly store: Store; readonly clock: Clock; readonly log: Logger }): Denials {
  let minute = 0
  let anonymous = 0

  function isTooMany(): boolean {
    const now = Math.floor(clock.monotonic() / 60_000)
    if (now !== minute) {
      if (anonymous > anonymousPerMinute) log.warn({ unrecorded: anonymous - anonymousPerMinute }, 'denials of unknown callers were not all recorded')
      minute = now
      anonymous = 0
    }
    anonymous++
    return anonymous > anonymousPerMinute
  }

  return {
    async record({ accountId, actor, action, target, code, requestId }) {
      if (accountId === null && isTooMany()) return
      const entry = {
        at: clock.now(),
        account_id: accountId,
        actor,
        action,
        target,
        outcome: 'denied',
        code,
        request_id: requestId,
        operation_id: null,
      } as const
      await store.transaction((tx) => audit.append(tx, entry)).catch((error) => log.error({ err: error, requestId }, 'a denial could not be recorded'))
    },
  }
}
