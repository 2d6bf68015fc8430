/** When a request is sent again, and after how long. */
import { now } from './clock.ts'
import { type AlcoveError, ConnectionError } from './errors.ts'

/**
 * What sending a request twice means.
 * `safe`: it only reads, so it is repeated after any passing failure.
 * `keyed`: the server recognises it by its idempotency key; as `safe`, and a conflict with its own lost predecessor is waited out.
 */
export type Repeat = 'safe' | 'keyed'

/** First pause, ms; it doubles with each attempt. */
const firstPauseMs = 300
const longestPauseMs = 8_000
/** A server that asks for a longer pause than this gets no further attempt; the caller decides. */
const longestRetryAfterMs = 60_000

/** The server did not receive the request whole, has had too many, is not there behind its proxy, or cannot serve at present. */
const passingStatuses = new Set<number | undefined>([408, 429, 502, 503])

/** Whether a failure may be followed by another attempt. @param wasLost Whether an earlier attempt of the call ended without an answer. */
export function mayRepeat(error: AlcoveError, repeat: Repeat, wasLost: boolean): boolean {
  if ((error.retryAfterMs ?? 0) > longestRetryAfterMs) return false
  if (hasPassingCause(error)) return true
  return repeat === 'keyed' && wasLost && error.code === 'conflict'
}

/** Whether a failure is one of the connection, or of a server that may serve later. */
export function hasPassingCause(error: AlcoveError): boolean {
  return error instanceof ConnectionError || passingStatuses.has(error.status)
}

/** Pause before the attempt that follows attempt number `attempt` (from 0), ms: half fixed, half random, and never less than the server asked for. */
export function pauseBefore(attempt: number, retryAfterMs: number | undefined): number {
  const full = Math.min(firstPauseMs * 2 ** attempt, longestPauseMs)
  const pause = full / 2 + (Math.random() * full) / 2
  return Math.max(pause, retryAfterMs ?? 0)
}

/** Reads a Retry-After header: seconds or an HTTP date. @returns ms, or undefined when it is absent or unreadable. @see RFC 9110, section 10.2.3 */
export function parseRetryAfter(header: string | null): number | undefined {
  if (header === null || header.trim() === '') return undefined
  const seconds = Number(header)
  if (Number.isFinite(seconds)) return seconds >= 0 ? seconds * 1000 : undefined
  const date = Date.parse(header)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now())
}
