/** Waiting for an outcome, but not for ever; the outcome itself goes on. */
import type { Clock } from './clock.ts'

/** The outcome, or `undefined` when it takes longer than `ms`. */
export async function within<T>(clock: Clock, outcome: Promise<T>, ms: number): Promise<T | undefined> {
  const done = new AbortController()
  const late = clock.sleep(ms, done.signal).then(
    () => undefined,
    () => undefined,
  )
  try {
    return await Promise.race([outcome, late])
  } finally {
    done.abort()
  }
}
