/** Reads times of a request: how long a workspace lives, and when it sleeps. */
import { durationSeconds, type IdleInput, type IdlePolicy, limits } from '@alcove/contract'

/** Refuses a value: the field, words for people, what is allowed. */
export type Refuse = (field: string, message: string, allowed: unknown) => never

/** A time to live as it is stored; digits are seconds. */
export function foldTtl(ttl: string | number, field: string, refuse: Refuse): string {
  const { min, max } = limits.ttlSeconds
  const seconds = durationSeconds(ttl)
  if (seconds < min || seconds > max) refuse(field, `${field} must be ${min} second to ${max / 86_400} days.`, { min, max })
  return /^[0-9]+$/.test(String(ttl)) ? `${ttl}s` : String(ttl)
}

/** An idle policy in seconds; `null` when it never sleeps. */
export function foldIdle({ suspend_after, stop_after = 0 }: IdleInput, field: string, refuse: Refuse): IdlePolicy | null {
  const { suspendAfter, stopAfter } = limits.idle
  const suspend = within(suspend_after, suspendAfter, `${field}.suspend_after`, refuse)
  const stop = within(stop_after, stopAfter, `${field}.stop_after`, refuse)
  return suspend === 0 ? null : { suspend_after: suspend, stop_after: stop }
}

function within(duration: string | number, { min, max }: { readonly min: number; readonly max: number }, field: string, refuse: Refuse): number {
  const seconds = durationSeconds(duration)
  if (seconds !== 0 && (seconds < min || seconds > max)) refuse(field, `${field} must be 0, which is never, or ${min} to ${max} seconds.`, { min, max })
  return seconds
}
