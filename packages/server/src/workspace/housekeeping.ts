/** What grows and may go: idempotency keys, images no workspace uses, left-overs of interrupted builds. */
import * as idempotency from '../store/idempotency.ts'
import * as workspaces from '../store/workspaces.ts'
import type { Control } from './control.ts'

/** Time between two rounds, ms. */
const everyMs = 3_600_000
/** Age at which an idempotency key may be used for something else, ms. */
const keyLifeMs = 24 * 3_600_000

/** Makes the function that does a round when it is due; the first call is. */
export function createHousekeeping({ store, images, clock, log }: Pick<Control, 'store' | 'images' | 'clock' | 'log'>): () => Promise<void> {
  let doneAt: number | undefined
  return async () => {
    if (doneAt !== undefined && clock.monotonic() - doneAt < everyMs) return
    doneAt = clock.monotonic()
    const keys = await store.transaction((tx) => idempotency.purge(tx, clock.now() - keyLifeMs))
    // An image that is pinned after this look is the one its catalogue entry points to, which is kept as well.
    await images.collect(await workspaces.listImageDigests(store.db))
    log.debug({ keys }, 'housekeeping done')
  }
}
