/** Who has something done, and why: at a request, or by a rule of the server. */
import type { Cause } from '@alcove/contract'
import { fail } from '../lib/fail.ts'
import { newId } from '../lib/ids.ts'
import type { WorkspaceRow } from '../store/workspaces.ts'

/** Whoever has something done. */
export interface Caller {
  /** A key id, or `system`. */
  readonly actor: string
  readonly cause: Cause
  /** Plan that limits are checked against. */
  readonly plan: string
  /** Id of the operation that this will be. It names one operation only, however often it is tried. */
  readonly operationId: string
  readonly requestId?: string | undefined
  /** Boots of the workspace that the caller means; any when absent. */
  readonly generations?: readonly number[] | undefined
  /** What must still be so in the transaction that makes the first change. */
  readonly guard?: (row: WorkspaceRow) => boolean
}

/** The caller behind a request of an account. */
export interface Requester extends Caller {
  readonly accountId: string
  /** Workspace that the operation was done with already, by an earlier request that is sent again; nothing is to be done any more. */
  readonly doneWith?: string | undefined
}

/** The server itself, acting by a rule; with an operation of its own. */
export function bySystem(cause: Cause, plan: string): Caller {
  return { actor: 'system', cause, plan, operationId: newId('op') }
}

/** Refuses a caller who means another boot than the present one. @throws precondition_failed */
export function assertGeneration(row: Pick<WorkspaceRow, 'generation'>, { generations }: Pick<Caller, 'generations'>): void {
  if (generations === undefined || generations.includes(row.generation)) return
  fail('precondition_failed', {
    message: `The workspace has generation ${row.generation}, not ${generations.join(' or ') || 'the one that was asked for'}: it has been started anew. Look at it again and decide.`,
    details: { generation: row.generation, expected: generations },
  })
}
