/** What grows and may go: idempotency keys, old events and operations, images no workspace uses, left-overs of interrupted builds. */
import * as events from '../store/events.ts'
import * as idempotency from '../store/idempotency.ts'
import * as operations from '../store/operations.ts'
import * as workspaces from '../store/workspaces.ts'
import type { Control } from './control.ts'

/** Time between two rounds, ms. */
const everyMs = 3_600_000

/** Makes the function that does a round when it is due; the first call is. */
export function createHousekeeping({ store, images, clock, times, log }: Pick<Control, 'store' | 'images' | 'clock' | 'times' | 'log'>): () => Promise<void> {
  let doneAt: number | undefined
  return async () => {
    if (doneAt !== undefined && clock.monotonic() - doneAt < everyMs) return
    doneAt = clock.monotonic()
    const now = clock.now()
    const keys = await store.transaction((tx) => idempotency.purge(tx, now))
    const forgotten = await store.transaction((tx) => events.purge(tx, now - times.historyMs))
    const ended = await store.transaction((tx) => operations.purge(tx, now - times.historyMs))
    // An image that is pinned after this look is the one its catalogue entry points to, which is kept as well.
    await images.collect(await workspaces.listImageDigests(store.db))
    log.debug({ keys, events: forgotten, operations: ended }, 'housekeeping done')
  }
}
