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

/** A clock whose wall time goes on evenly when somebody sets that of the host, until it is told to follow. */
export interface SteadyClock extends Clock {
  /** The host's wall time, which may jump, ms since the epoch. */
  wall(): number
  /** Goes on from a reading of both times of the host, made at the same moment. */
  follow(reading: { readonly wallMs: number; readonly monotonicMs: number }): void
}

/** Makes a steady clock that starts with the wall time of another. */
export function createSteadyClock(clock: Clock): SteadyClock {
  let aheadMs = clock.now() - clock.monotonic()
  return {
    ...clock,
    now: () => Math.round(clock.monotonic() + aheadMs),
    wall: () => clock.now(),
    follow({ wallMs, monotonicMs }) {
      aheadMs = wallMs - monotonicMs
    },
  }
}
