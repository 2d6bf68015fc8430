/** The only place that reads the time or sets a timer. */
import { setTimeout as wait } from 'node:timers/promises'

/** Source of time; tests give their own. */
export interface Clock {
  /** Wall time, ms since the epoch. */
  now(): number
  /** Time that never jumps, ms since an arbitrary moment. */
  monotonic(): number
  /** Waits `ms`; rejects with the signal's reason when it aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Calls `fn` every `ms` until the returned function is called; never keeps the process alive. */
  every(ms: number, fn: () => void): () => void
  /** A signal that aborts after `ms`. */
  deadline(ms: number): AbortSignal
}

/** The clock of the machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  async sleep(ms, signal) {
    signal?.throwIfAborted()
    try {
      await wait(ms, undefined, signal ? { signal } : {})
    } catch (error) {
      throw signal?.reason ?? error
    }
  },
  every(ms, fn) {
    const timer = setInterval(fn, ms)
    timer.unref()
    return () => clearInterval(timer)
  },
  deadline: (ms) => AbortSignal.timeout(ms),
}
