/**
 * What is due is due after a time, not at a date: when somebody sets the clock of the host, every due time moves with it. Wall time is
 * held against the time since the host was started, which nobody can set; both are kept, so a jump while no daemon ran is seen, too.
 *
 * Between a jump and the look that finds it, due times are reckoned by a clock that has not jumped (`SteadyClock`), and move with the rest.
 */
import { readFile } from 'node:fs/promises'
import type { SteadyClock } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import * as meta from '../store/meta.ts'
import type { Store } from '../store/open.ts'
import { shiftDueTimes } from '../store/workspaces.ts'

/** Differences up to this are the clock's own inaccuracy, or its slow correction, ms. */
const toleranceMs = 10_000
/** How often both times are stored, ms: what was slept through without a record cannot be told from a jump. */
const storeMs = 30_000

/** Wall time and time since the host was started, read at the same moment. */
export interface ClockAnchor {
  readonly wallMs: number
  readonly bootMs: number
  /** Boot of the host; times of another boot cannot be compared. */
  readonly hostBootId: string
}

/** What the detector reads besides the wall clock. */
export interface BootClock {
  /** Time since the host was started, including its sleep, ms. */
  uptimeMs(): Promise<number>
  hostBootId(): Promise<string>
}

/** The host's own. */
export const hostBootClock: BootClock = {
  uptimeMs: async () => Number((await readFile('/proc/uptime', 'utf8')).split(' ')[0]) * 1000,
  hostBootId: async () => (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim(),
}

/** How far the clock was set between two readings, ms; 0 when it was not, or when that cannot be told. Backwards over a restart of the host can. */
export function jumpBetween(before: ClockAnchor, after: ClockAnchor): number {
  const passedMs = before.hostBootId === after.hostBootId ? after.bootMs - before.bootMs : Math.max(0, after.wallMs - before.wallMs)
  const jump = after.wallMs - before.wallMs - passedMs
  return Math.abs(jump) > toleranceMs ? Math.round(jump) : 0
}

/** Watches the clock. */
export interface JumpDetector {
  /** Moves due times if the clock was set, and returns the wall time that they are to be compared with, ms since the epoch. */
  look(): Promise<number>
}

/** Makes a detector that goes on where the last one of this database ended. Several may look at the same time. */
export function createJumpDetector({
  store,
  clock,
  bootClock = hostBootClock,
  log,
}: {
  readonly store: Store
  readonly clock: SteadyClock
  readonly bootClock?: BootClock | undefined
  readonly log: Logger
}): JumpDetector {
  async function read(): Promise<Reading> {
    const hostBootId = await bootClock.hostBootId()
    const bootMs = await bootClock.uptimeMs()
    // Nothing in between: the two must be of one moment.
    const [wallMs, monotonicMs] = [clock.wall(), clock.monotonic()]
    return { anchor: { wallMs, bootMs, hostBootId }, wallMs, monotonicMs }
  }

  /** Moves due times if need be, and stores the anchor with that; nothing when another look was faster. Returns the jump, ms. */
  async function settle(stored: string, before: ClockAnchor, now: Reading): Promise<number> {
    const jump = jumpBetween(before, now.anchor)
    return store.transaction(async (tx) => {
      if (!(await meta.replace(tx, anchorKey, stored, JSON.stringify(now.anchor)))) return 0
      if (jump !== 0) await shiftDueTimes(tx, jump)
      // With what was moved: whoever stores a due time next reckons by the new time.
      clock.follow(now)
      return jump
    })
  }

  return {
    async look() {
      const now = await read()
      const stored = (await meta.find(store.db, anchorKey)) ?? (await meta.getOrInsert(store.db, anchorKey, JSON.stringify(now.anchor)))
      const before = JSON.parse(stored) as ClockAnchor
      if (isRecent(before, now.anchor) && jumpBetween(before, now.anchor) === 0) {
        // The host's clock is corrected by little every now and then.
        clock.follow(now)
        return now.wallMs
      }
      const jumpMs = await settle(stored, before, now)
      if (jumpMs !== 0) log.warn({ jumpMs }, 'the clock of the host was set; everything that is due was moved with it')
      return now.wallMs
    },
  }
}

/** Both times of the host and its own clock, of one moment. */
interface Reading {
  readonly anchor: ClockAnchor
  readonly wallMs: number
  readonly monotonicMs: number
}

function isRecent(before: ClockAnchor, now: ClockAnchor): boolean {
  return now.hostBootId === before.hostBootId && now.bootMs - before.bootMs < storeMs
}

const anchorKey = 'clock_anchor'
