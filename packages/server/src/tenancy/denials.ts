/** Denials in the audit chain: who was refused what. */
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import * as audit from '../store/audit.ts'
import type { Store } from '../store/open.ts'

/** Denials that are recorded in a minute, of all unknown callers together and of one account: a flood of them must not fill the disk. */
const perMinute = { anonymous: 120, account: 600 } as const

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
  const counts = new Map<string | null, number>()

  function isTooMany(accountId: string | null): boolean {
    const now = Math.floor(clock.monotonic() / 60_000)
    if (now !== minute) {
      minute = now
      counts.clear()
    }
    const count = (counts.get(accountId) ?? 0) + 1
    counts.set(accountId, count)
    const most = accountId === null ? perMinute.anonymous : perMinute.account
    if (count === most + 1) log.warn({ accountId, most }, 'too many denials; those until the end of the minute are not recorded')
    return count > most
  }

  return {
    async record({ accountId, actor, action, target, code, requestId }) {
      if (isTooMany(accountId)) return
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
