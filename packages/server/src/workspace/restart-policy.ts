/** When a VM that ended is started again. Pure: what it depends on is given. */
import { durationSeconds } from '@alcove/contract'
import type { WorkspaceRow } from '../store/workspaces.ts'

/** Pause before the first restart, ms; it doubles with each further one. */
const firstDelayMs = 1_000
/** The longest pause, ms. */
const longestDelayMs = 300_000
/** Share by which a pause is shortened or lengthened at random, so that many VMs do not start at once. */
const jitter = 0.2
/** Time after which a VM counts as stable, and its restarts so far are forgotten, ms. */
const stableMs = 120_000

/** What becomes of a workspace whose VM has ended. */
export type Sequel =
  /** It rests. `gaveUp`: the policy would go on, but has used up its attempts. */
  | { readonly kind: 'rest'; readonly restartCount: number; readonly gaveUp: boolean }
  /** Its VM is started again at `at`. */
  | { readonly kind: 'restart'; readonly restartCount: number; readonly at: number }
  | { readonly kind: 'remove' }

/** What a decision depends on. */
export interface Ended {
  /** Whether the end was no failure. */
  readonly clean: boolean
  /** Whether the host was restarted under it. */
  readonly byHostReboot: boolean
  /** How long the VM ran, ms. */
  readonly ranMs: number
  readonly now: number
  /** Random number, 0 to 1. */
  readonly random: number
}

type Policied = Pick<WorkspaceRow, 'mode' | 'config' | 'desired' | 'restart_count'>

/** Decides on a VM that ended by itself. */
export function sequelOf(row: Policied, ended: Ended): Sequel {
  if (row.config.remove_on_exit) return { kind: 'remove' }
  const restartCount = ended.ranMs >= stableMs ? 0 : row.restart_count
  if (row.desired !== 'running') return { kind: 'rest', restartCount, gaveUp: false }
  if (ended.byHostReboot) {
    // No attempt is used up: the VM did nothing wrong.
    if (comesBack(row)) return { kind: 'restart', restartCount, at: ended.now + Math.round(ended.random * firstDelayMs) }
    return { kind: 'rest', restartCount, gaveUp: false }
  }
  return again(row, restartCount, ended)
}

/** Decides on a restart by the policy that did not boot. */
export function sequelOfFailedRestart(row: Policied, { now, random }: Pick<Ended, 'now' | 'random'>): Sequel {
  return again(row, row.restart_count, { clean: false, now, random })
}

/** Restart policy in effect: a workspace that lives for a time only is not kept alive. */
export function policyOf(row: Pick<WorkspaceRow, 'mode' | 'config'>): WorkspaceRow['config']['restart_policy'] {
  return ttlMs(row) === undefined ? row.config.restart_policy : 'no'
}

/** Time to live of a temporary workspace, ms. */
export function ttlMs({ mode, config }: Pick<WorkspaceRow, 'mode' | 'config'>): number | undefined {
  return mode === 'temporary' && config.ttl !== undefined ? durationSeconds(config.ttl) * 1000 : undefined
}

/** Pause before the restart that follows `count` others, ms. */
export function restartDelay(count: number, random: number): number {
  const delay = Math.min(firstDelayMs * 2 ** Math.min(count, 30), longestDelayMs)
  return Math.round(delay * (1 - jitter + 2 * jitter * random))
}

/** Whether a workspace that ran is started again after the host was: one that is to last, or whose policy keeps it alive. */
function comesBack(row: Policied): boolean {
  return row.mode === 'permanent' || policyOf(row) !== 'no'
}

function again(row: Policied, restartCount: number, { clean, now, random }: Pick<Ended, 'clean' | 'now' | 'random'>): Sequel {
  const policy = policyOf(row)
  if (policy === 'no' || (policy === 'on-failure' && clean)) return { kind: 'rest', restartCount, gaveUp: false }
  const { max_restarts } = row.config
  if (max_restarts > 0 && restartCount >= max_restarts) return { kind: 'rest', restartCount, gaveUp: true }
  return { kind: 'restart', restartCount, at: now + restartDelay(restartCount, random) }
}
