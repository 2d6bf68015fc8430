/** The only place of the CLI that sets a timer. */
import { setTimeout as wait } from 'node:timers/promises'

/** Waits `ms`; rejects with the signal's reason when it aborts. */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  await wait(ms, undefined, { signal }).catch((error: unknown) => {
    throw signal.aborted ? signal.reason : error
  })
}

/** Calls `fn` every `ms` until the returned function is called; never keeps the process alive. */
export function every(ms: number, fn: () => void): () => void {
  const timer = setInterval(fn, ms)
  timer.unref()
  return () => clearInterval(timer)
}
