/** Failed authentications by remote address, in bounded memory. */
import type { Clock } from '../lib/clock.ts'

/** Length of a window, ms. */
const windowMs = 60_000
/** Failures of one address in a window that are still answered as such. */
export const maxFailures = 100
/** Addresses remembered; beyond it the one whose window began first is forgotten. */
const maxAddresses = 10_000

/** Counts failures. */
export interface FailedAttempts {
  /** Counts one failure; tells whether the address has had too many of them in this window. */
  add(address: string): boolean
}

/** Makes an empty count. */
export function createFailedAttempts({ clock }: { readonly clock: Clock }): FailedAttempts {
  const windows = new Map<string, { readonly startedAt: number; count: number }>()
  return {
    add(address) {
      const now = clock.monotonic()
      let current = windows.get(address)
      if (!current || now - current.startedAt >= windowMs) {
        // Deleted and set again, so that the map stays in order of start.
        windows.delete(address)
        if (windows.size >= maxAddresses) windows.delete(windows.keys().next().value as string)
        current = { startedAt: now, count: 0 }
        windows.set(address, current)
      }
      current.count++
      return current.count > maxFailures
    },
  }
}
