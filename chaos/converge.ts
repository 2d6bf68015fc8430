/** Waiting for rest after a blow: nothing moves, host and rows agree, the auditor is content. */
import { systemClock } from '../packages/server/src/lib/clock.ts'
import { auditLines } from './audit.ts'
import { explainHost, isMoving, readRows } from './host-view.ts'
import type { World } from './world.ts'

/** How a world came to rest. */
export interface Converged {
  /** Time from the call until it was at rest, ms. */
  readonly ms: number
  /** What kept it from resting when the time was over; empty when it rests. */
  readonly left: readonly string[]
}

/** How long, and for what. */
export interface ConvergeOptions {
  readonly timeoutMs?: number
  /** Whether the auditor must be content, too. */
  readonly audit?: boolean
  /** For positive controls: what host and rows disagree on once nothing moves is not expected to mend itself. */
  readonly isHopeless?: boolean
}

/** Longest wait, ms: long before it a workspace that needs a human is plain to see. */
const patienceMs = 60_000

/** Waits until the world rests or its time is over. */
export async function converge(world: World, { timeoutMs = patienceMs, audit = false, isHopeless = false }: ConvergeOptions = {}): Promise<Converged> {
  const began = performance.now()
  for (;;) {
    const moving = isAnyMoving(world)
    const left = moving.length > 0 ? moving : await disagreements(world, audit)
    const ms = performance.now() - began
    if (left.length === 0 || ms > timeoutMs || (isHopeless && moving.length === 0)) return { ms, left }
    await systemClock.sleep(50)
  }
}

function isAnyMoving({ database }: World): string[] {
  return readRows(database).flatMap(({ id, status }) => (isMoving(status) ? [`${id} is ${status}`] : []))
}

async function disagreements(world: World, audit: boolean): Promise<readonly string[]> {
  const found = await explainHost(world)
  if (found.length > 0 || !audit) return found
  const verdict = auditLines(await world.audit())
  return verdict === 'clean' ? [] : verdict
}
