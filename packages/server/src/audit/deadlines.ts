/** N11: nothing is under way past its deadline, nothing that moves is without one, and no time to live is over without a consequence. */
import { type Judgement, notes } from './finding.ts'
import { type AuditRow, isMoving, type Known, type OpenOperation } from './known.ts'

/** Time a pass of the daemon has to see a deadline and to clear up after it, ms: two passes and the end of a VM. */
const graceMs = 90_000

/** When, and how strictly. */
interface Moment {
  readonly now: number
  readonly isSettled: boolean
}

/** Looks at the rows that move, at those whose time is over, and at operations that have not ended. */
export function compareDeadlines(known: Known, moment: Moment): Judgement {
  const { findings, add } = notes('N11')
  const { now } = moment
  const remedy = 'start the daemon if it is down; see its log for why it does not end'
  for (const row of known.steady) {
    const { id, status, deadline_at: deadlineAt, expires_at: expiresAt } = row
    const message = isMoving(status) ? mistakeOfMoving(row, moment) : undefined
    if (message !== undefined) add(id, message, remedy, { status, deadlineAt })
    if (!isMoving(status) && expiresAt !== null && expiresAt + graceMs < now)
      add(`${id} time to live`, `It was over ${seconds(now - expiresAt)} ago, and the workspace is ${status} still.`, remedy, { expiresAt })
  }
  for (const operation of known.rows.operations) {
    const { id, workspace_id: workspaceId, verb, created_at: createdAt } = operation
    if (!isForgotten(known, operation, moment)) continue
    add(`operation ${id}`, `It (${verb} of ${workspaceId}) has not ended, but nothing is under way.`, remedy, { ageMs: now - createdAt })
  }
  const moving = known.rows.workspaces.filter(({ status }) => isMoving(status)).length
  return { findings, checked: { moving, operations: known.rows.operations.length } }
}

function mistakeOfMoving({ status, deadline_at: deadlineAt }: AuditRow, { now, isSettled }: Moment): string | undefined {
  if (deadlineAt === null) return `It is ${status} without a deadline.`
  if (deadlineAt + graceMs < now) return `It is ${status}, and should not be any more for ${seconds(now - deadlineAt)}.`
  return isSettled ? `It is ${status}, and nothing should be under way.` : undefined
}

/** What moves has a deadline of its own, and what changed during the look is not judged. */
function isForgotten(known: Known, { workspace_id: workspaceId, created_at: createdAt }: OpenOperation, { now, isSettled }: Moment): boolean {
  if (known.vm(workspaceId) === 'may') return false
  return isSettled || createdAt + graceMs < now
}

const seconds = (ms: number) => `${Math.round(ms / 1000)} s`
