/** The only place that reads the time or sets a timer. */

/** Waits `ms`; rejects with the signal's reason when it aborts. */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  await new Promise<void>((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer)
      reject(signal.reason)
    }
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop)
      resolve()
    }, ms)
    signal.addEventListener('abort', stop, { once: true })
  })
}

/** Time that never jumps, ms since an arbitrary moment. */
export function monotonic(): number {
  return performance.now()
}

/** Wall time, ms since the epoch. */
export function now(): number {
  return Date.now()
}

/** A signal that aborts when its time is over or when the caller's signal does. */
export interface Deadline {
  readonly signal: AbortSignal
  /** Whether the time was over before the caller's signal aborted. */
  hasExpired(): boolean
  /** What is left, ms. */
  remaining(): number
  /** Takes the timer and the listener away. */
  release(): void
}

/** Largest delay a timer takes; a longer one would fire at once. */
const maxTimerMs = 2_147_483_647

/** Starts a deadline of `ms`. Not `AbortSignal.any`: a signal that outlives many calls would keep something of each. */
export function createDeadline(ms: number, outer: AbortSignal | undefined): Deadline {
  const controller = new AbortController()
  const endsAt = monotonic() + ms
  let expired = false
  const forward = () => controller.abort(outer?.reason)
  const timer = setTimeout(
    () => {
      expired = !controller.signal.aborted
      controller.abort(new Error('deadline'))
    },
    Math.min(ms, maxTimerMs),
  )
  if (outer?.aborted) forward()
  else outer?.addEventListener('abort', forward, { once: true })
  return {
    signal: controller.signal,
    hasExpired: () => expired,
    remaining: () => endsAt - monotonic(),
    release() {
      clearTimeout(timer)
      outer?.removeEventListener('abort', forward)
    },
  }
}

/** Ends what has been silent for too long. */
export interface Watchdog {
  /** Aborts when something watched took too long, or when the caller's signal does. */
  readonly signal: AbortSignal
  /** Waits for a piece of work; the time runs only meanwhile. */
  watch<T>(work: Promise<T>): Promise<T>
  /** Whether something took too long before the caller's signal aborted. */
  hasBitten(): boolean
  /** Ends the work and takes the listener away. */
  release(): void
}

/** Makes a watchdog that allows each piece of work `ms`. */
export function createWatchdog(ms: number, outer: AbortSignal): Watchdog {
  const controller = new AbortController()
  let bitten = false
  const forward = () => controller.abort(outer.reason)
  if (outer.aborted) forward()
  else outer.addEventListener('abort', forward, { once: true })
  return {
    signal: controller.signal,
    async watch(work) {
      const timer = setTimeout(() => {
        bitten = !controller.signal.aborted
        controller.abort(new Error('silence'))
      }, ms)
      try {
        return await work
      } finally {
        clearTimeout(timer)
      }
    },
    hasBitten: () => bitten,
    release() {
      outer.removeEventListener('abort', forward)
      controller.abort()
    },
  }
}
