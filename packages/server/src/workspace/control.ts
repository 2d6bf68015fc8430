/** What every action of the control plane uses. */
import type { ImageStore } from '../image/images.ts'
import type { SteadyClock } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import { within } from '../lib/within.ts'
import type { Runner } from '../runner/runner.ts'
import type { Store } from '../store/open.ts'
import type { Plans } from '../tenancy/plans.ts'
import type { BootClock } from './clock-jump.ts'
import type { Mailboxes } from './mailbox.ts'

/** Times of the control plane, ms. */
export interface ControlTimes {
  /** How long a create, start or restart waits for its outcome before it answers with what there is. */
  readonly answerBudgetMs: number
  /** Time by which a moving status must have ended. */
  readonly moveDeadlineMs: number
  /** Time a guest has to end its processes before the VM is killed. */
  readonly stopGraceMs: number
  /** Time a released address rests before it is given away again. */
  readonly slotRestMs: number
  /** Time that events and operations are kept. */
  readonly historyMs: number
}

/** Images by the names that requests use. */
export interface ImageNames {
  /** Catalogue id of an id or reference; `undefined` when the catalogue has neither. */
  resolve(name: string): string | undefined
}

/** The control plane's dependencies. */
export interface Control {
  readonly store: Store
  readonly runner: Runner
  readonly images: ImageStore
  readonly imageNames: ImageNames
  readonly plans: Plans
  /** Ids that `proxy_assignment_id` may name. */
  readonly proxyIds: ReadonlySet<number>
  readonly times: ControlTimes
  readonly mailboxes: Mailboxes
  /** Told how each boot ended and how long it took, ms. */
  readonly observeBoot: (outcome: 'running' | 'failed', durationMs: number) => void
  /** Wall time that jumps only together with everything that is due. */
  readonly clock: SteadyClock
  /** Time since the start of the host; the host's own when absent. */
  readonly bootClock?: BootClock | undefined
  /** A random number, 0 to 1. */
  readonly random: () => number
  readonly log: Logger
}

/** Waits for an outcome as long as an answer may take; `undefined` when it takes longer. */
export function withinBudget<T>({ clock, times }: Pick<Control, 'clock' | 'times'>, outcome: Promise<T>): Promise<T | undefined> {
  return within(clock, outcome, times.answerBudgetMs)
}

/**
 * Waits for the end of a VM or of a workspace; `undefined` when it takes longer than a move may. Its caller is told when it is so, and not
 * before: unlike a boot it takes no longer than a guest's grace and what the host needs.
 */
export function withinDeadline<T>({ clock, times }: Pick<Control, 'clock' | 'times'>, outcome: Promise<T>): Promise<T | undefined> {
  return within(clock, outcome, Math.max(times.answerBudgetMs, times.moveDeadlineMs))
}
