/** Events of an account as they happen. A reader asks the table for what follows the last event it had, so none is lost or told twice. */
import { type EventView, limits } from '@alcove/contract'
import type { Clock } from '../lib/clock.ts'
import { fail } from '../lib/fail.ts'
import type { Store } from '../store/open.ts'
import type { History } from './history.ts'

/** Pause after a commit before the table is asked, ms: several events at once are one question. */
const gatherMs = 20
/** The table is asked at least this often, ms: another process may have written. */
const askMs = 2_000

/** A stream that is open. */
export interface EventSource {
  /** Number of the event that it begins behind. */
  readonly start: number
  /** What follows, until the signal aborts. */
  events(signal: AbortSignal): AsyncIterable<EventView>
}

/** Opens streams of events. */
export interface EventFeed {
  /**
   * Events that follow `after`; from now on when it is absent. The stream counts as open until what is returned was read to its end or given up.
   * @throws rate_limited when the account has too many streams open
   */
  open(accountId: string, after: number | undefined): Promise<EventSource>
}

/** Makes the feed. */
export function createEventFeed({
  history,
  store,
  clock,
}: {
  readonly history: History
  readonly store: Pick<Store, 'onCommit'>
  readonly clock: Clock
}): EventFeed {
  const open = new Map<string, number>()
  let committed = Promise.withResolvers<void>()
  store.onCommit(() => {
    committed.resolve()
    committed = Promise.withResolvers()
  })

  function leave(accountId: string): void {
    const left = (open.get(accountId) ?? 1) - 1
    if (left > 0) open.set(accountId, left)
    else open.delete(accountId)
  }

  async function* read(accountId: string, start: number, signal: AbortSignal): AsyncGenerator<EventView> {
    let last = start
    for (;;) {
      signal.throwIfAborted()
      const commit = committed.promise
      const { events, last: newest } = await history.eventsAfter(accountId, last)
      yield* events
      last = newest
      if (events.length > 0) continue
      await Promise.race([commit, clock.sleep(askMs, signal)])
      await clock.sleep(gatherMs, signal)
    }
  }

  return {
    async open(accountId, after) {
      const start = after ?? (await history.lastEvent())
      const count = open.get(accountId) ?? 0
      if (count >= limits.eventStreams)
        fail('rate_limited', { message: `The account has ${count} event streams open; close one first.`, details: { max: limits.eventStreams } })
      open.set(accountId, count + 1)
      return {
        start,
        async *events(signal) {
          try {
            yield* read(accountId, start, signal)
          } finally {
            leave(accountId)
          }
        },
      }
    },
  }
}
