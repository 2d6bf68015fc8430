/**
 * What a figure is: one number that Alcove is held to, and the program that measures it. Each lives in `chaos/figures/tNN.ts` and exports
 * `figure: Figure`; `chaos/main.ts` finds it by its file name. All randomness comes from the context, so that a run replays from its seed.
 */
import type { Random } from './random.ts'
import type { World, WorldOptions } from './world.ts'

/** How much is done: `count` is what `--count` changes, the rest belongs to the figure. */
export interface Size {
  readonly count: number
  readonly [option: string]: number
}

/** One figure. */
export interface Figure {
  /** As in `docs/reliability.md`: `T1`, `S11`. */
  readonly id: string
  /** The promise, in one line. */
  readonly title: string
  /** Size that fits into every run of the tests. */
  readonly ci: Size
  /** Size of the published number. */
  readonly full: Size
  run(context: Context): Promise<Result>
}

/** What a figure works with. */
export interface Context {
  readonly seed: number
  /** The one source of chance. Give each client its own by `random.fork(name)`: then the order of events does not change what each of them draws. */
  readonly random: Random
  /** `ci` or `full` of the figure, with `--count`. */
  readonly size: Size
  readonly count: number
  readonly isFull: boolean
  /** Directory of this run, removed at its end; at most 24 bytes, reachable for the users VMs run as. */
  readonly tempDir: string
  /** Says on standard error how far it is. */
  log(message: string): void
  /** Starts a daemon with a data directory of its own. Everything of it is removed at the end of the run, whatever happens; see `world.ts`. */
  world(options?: WorldOptions): Promise<World>
}

/** Distribution of times, ms. */
export interface Latency {
  readonly p50: number
  readonly p99: number
  readonly max: number
  readonly n: number
}

/** What a run of a figure found. */
export interface Result {
  /** `pass`: no violation, and the control failed as it must. `result()` derives it. */
  readonly verdict: 'pass' | 'fail'
  readonly counts: Readonly<Record<string, number>>
  readonly latencies?: Readonly<Record<string, Latency>>
  /** What broke the promise, one line each; at most {@link maxViolations}. */
  readonly violations: readonly string[]
  /** The same run against a build with one known fault: it must be detected. */
  readonly control?: { readonly name: string; readonly failedAsItMust: boolean }
  /** Verdict of the auditor at the end: `clean`, or what it found. */
  readonly audit?: 'clean' | readonly string[]
}

/** Lines of violations that are kept; the count of all is in `counts.violations`. */
export const maxViolations = 50

/** Makes a result: the verdict follows from violations, control and audit. */
export function result(found: Omit<Result, 'verdict'>): Result {
  const { violations, control, audit } = found
  const isClean = violations.length === 0 && (control?.failedAsItMust ?? true) && (audit ?? 'clean') === 'clean'
  const counts = { ...found.counts, violations: violations.length }
  return { ...found, verdict: isClean ? 'pass' : 'fail', counts, violations: violations.slice(0, maxViolations) }
}

/** The distribution of some times, ms. */
export function latencyOf(times: readonly number[]): Latency {
  const sorted = times.toSorted((a, b) => a - b)
  // The smallest value that at least this share does not exceed.
  const at = (share: number) => Math.round(sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0)
  return { p50: at(0.5), p99: at(0.99), max: at(1), n: sorted.length }
}
