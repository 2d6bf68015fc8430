/** A clock that stands until a test moves it: wall time, time since the start of the host, and which start that was. */
import { randomUUID } from 'node:crypto'
import type { Clock } from '../../packages/server/src/lib/clock.ts'
import type { BootClock } from '../../packages/server/src/workspace/clock-jump.ts'

interface Alarm {
  readonly at: number
  readonly ring: () => void
}

/** Time that passes, jumps and begins anew as the test says. Wall time and uptime start where they have nothing in common. */
export class ManualClock implements Clock, BootClock {
  #wallMs = Date.UTC(2030, 0, 1)
  /** Never goes back, also not over a restart of the host: what waits, waits for it. */
  #passedMs = 0
  #bootedAt = -1_000_000
  #hostBootId: string = randomUUID()
  readonly #alarms = new Set<Alarm>()

  now = (): number => this.#wallMs
  monotonic = (): number => this.#passedMs
  uptimeMs = async (): Promise<number> => this.#passedMs - this.#bootedAt
  hostBootId = async (): Promise<string> => this.#hostBootId

  sleep = (ms: number, signal?: AbortSignal): Promise<void> => {
    if (signal?.aborted) return Promise.reject(signal.reason)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const alarm = this.#after(ms, resolve)
    signal?.addEventListener('abort', () => {
      this.#alarms.delete(alarm)
      reject(signal.reason)
    })
    return promise
  }

  every = (ms: number, fn: () => void): (() => void) => {
    let alarm: Alarm
    const ring = () => {
      alarm = this.#after(ms, ring)
      fn()
    }
    alarm = this.#after(ms, ring)
    return () => void this.#alarms.delete(alarm)
  }

  deadline = (ms: number): AbortSignal => {
    const controller = new AbortController()
    this.#after(ms, () => controller.abort(new DOMException('The operation timed out.', 'TimeoutError')))
    return controller.signal
  }

  /** Lets time pass; what waits for it goes on, in order. */
  advance(ms: number): void {
    const until = this.#passedMs + ms
    for (;;) {
      const next = [...this.#alarms].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0]
      if (!next) break
      this.#alarms.delete(next)
      this.#move(next.at - this.#passedMs)
      next.ring()
    }
    this.#move(until - this.#passedMs)
  }

  /** Sets the wall clock; no time passes. */
  jump(ms: number): void {
    this.#wallMs += ms
  }

  /** The host starts anew; no time passes. */
  reboot(): void {
    this.#hostBootId = randomUUID()
    this.#bootedAt = this.#passedMs
  }

  #move(ms: number): void {
    this.#passedMs += ms
    this.#wallMs += ms
  }

  #after(ms: number, ring: () => void): Alarm {
    const alarm = { at: this.#passedMs + Math.max(0, ms), ring }
    this.#alarms.add(alarm)
    return alarm
  }
}
