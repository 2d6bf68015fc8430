/** Waiting for several things that are found out by one look. */
import { systemClock } from '../packages/server/src/lib/clock.ts'

/** Looks every `everyMs` until the look is good for each item, or `timeoutMs` are over. Returns the items for which it was not. */
export async function untilEach<L>(
  items: readonly string[],
  timeoutMs: number,
  everyMs: number,
  look: () => Promise<L>,
  isGood: (look: L, item: string) => boolean,
): Promise<{ readonly missing: readonly string[] }> {
  const giveUpAt = performance.now() + timeoutMs
  for (;;) {
    const seen = await look()
    const missing = items.filter((item) => !isGood(seen, item))
    if (missing.length === 0 || performance.now() > giveUpAt) return { missing }
    await systemClock.sleep(everyMs)
  }
}
