/**
 * The verbs that move a workspace. Each is what its caller wants to be true: asking for what is so already is no error. What a verb does
 * in which state is the contract's table; here it is done, in the workspace's turn.
 */
import { outcomeOf, type Verb, type WorkspaceStatus } from '@alcove/contract'
import { fail } from '../lib/fail.ts'
import type { WorkspaceRow } from '../store/workspaces.ts'
import * as workspaces from '../store/workspaces.ts'
import { assertGeneration, type Caller } from './caller.ts'
import { type Control, withinBudget, withinDeadline } from './control.ts'
import { retryCreate } from './create.ts'
import { pauseNow, resumeNow } from './freeze.ts'
import { recordDone } from './lifecycle.ts'
import { restartNow, startNow, stopNow } from './power.ts'
import { finishMove } from './recover.ts'

/** A verb of this file. */
export type PowerVerb = Exclude<Verb, 'delete' | 'settings'>

type Act = (control: Control, row: WorkspaceRow, caller: Caller, signal: AbortSignal) => Promise<WorkspaceRow>

const acts: Readonly<Record<PowerVerb, Act>> = {
  start: (control, row, caller, signal) =>
    row.status === 'paused' ? resumeNow(control, row, caller, 'start') : startNow(control, row, caller, signal, 'start'),
  stop: stopNow,
  restart: restartNow,
  pause: pauseNow,
  resume: (control, row, caller) => resumeNow(control, row, caller, 'resume'),
  retry: (control, row, caller, signal) =>
    row.provisioning?.state === 'failed' ? retryCreate(control, row, caller, signal) : startNow(control, row, caller, signal, 'retry'),
}

/** What was done: the row as it is then, and the operation it was done by. */
export interface Done {
  readonly row: WorkspaceRow
  readonly operationId: string
}

/** Does a verb, in the workspace's turn. When it takes longer than the budget of an answer, the row is returned as it is meanwhile. */
export async function perform(control: Control, id: string, verb: PowerVerb, caller: Caller): Promise<Done> {
  const found = await current(control, id)
  // At once: what is refused now is not to wait for the action in progress, and must not pre-empt it.
  assertGeneration(found, caller)
  if (outcomeOf(verb, found.status) === 'refuses') refuse(verb, found)
  // A first boot is waited for, whoever does it.
  const preempts = verb === 'stop' && found.status !== 'creating' ? (['start', 'restart', 'retry', 'resources', 'recover'] as const) : []
  // A turn that is joined must mean the same boot: a caller who names one has a turn of his own.
  const joins = caller.generations === undefined
  const turn = control.mailboxes.run(id, verb, (signal) => decide(control, id, verb, caller, signal), { preempts, joins })
  const done = await (verb === 'stop' ? withinDeadline(control, turn) : withinBudget(control, turn))
  if (done) return done
  const row = await current(control, id)
  if (verb !== 'stop') return { row, operationId: row.operation_id ?? caller.operationId }
  return fail('STOP_FAILED', { message: 'The virtual machine has not ended yet; stopping goes on. Look again in a moment.' })
}

async function decide(control: Control, id: string, verb: PowerVerb, caller: Caller, signal: AbortSignal): Promise<Done> {
  let row = await current(control, id)
  assertGeneration(row, caller)
  const { operationId } = caller
  // A restart on its way down is not to come up again first.
  if (verb === 'stop' && row.status === 'stopping' && row.desired === 'running') return { row: await stopNow(control, row, caller), operationId }
  // A move that nobody is making any more, since its turn failed or its daemon died: it is finished first.
  if (['waits', 'joins'].includes(outcomeOf(verb, row.status))) row = await finishFirst(control, row, verb, signal)
  switch (outcomeOf(verb, row.status)) {
    case 'acts':
    case 'preempts':
      return { row: await acts[verb](control, row, caller, signal), operationId }
    case 'done':
      return { row: await note(control, row, verb, caller), operationId }
    default:
      return refuse(verb, row)
  }
}

/** Finishes a move. That it failed is the answer to whoever wanted the same, and to others if the row has not come to rest. */
async function finishFirst(control: Control, row: WorkspaceRow, verb: PowerVerb, signal: AbortSignal): Promise<WorkspaceRow> {
  try {
    await finishMove(control, row, signal)
  } catch (error) {
    const now = await current(control, row.id)
    if (outcomeOf(verb, row.status) === 'joins' || now.status === row.status) throw error
    return now
  }
  return current(control, row.id)
}

/** A verb that found nothing to do is recorded all the same. A stop also says that nothing is to start the workspace again. */
async function note({ store, clock }: Control, row: WorkspaceRow, verb: PowerVerb, caller: Caller): Promise<WorkspaceRow> {
  return store.transaction(async (tx) => {
    const now = clock.now()
    await recordDone(tx, row, verb, caller, now)
    if (verb !== 'stop') return row
    const intent = { desired: 'stopped', user_requested_stop: caller.cause === 'request', restart_at: null } as const
    return (await workspaces.update(tx, row.id, intent, now)) ?? row
  })
}

/** The action that a moving state belongs to. */
const actionOf: Partial<Record<WorkspaceStatus, string>> = {
  creating: 'create',
  starting: 'start',
  pausing: 'pause',
  resuming: 'resume',
  stopping: 'stop',
  deleting: 'delete',
}

function refuse(verb: PowerVerb, { status }: WorkspaceRow): never {
  const details = { status, verb, action: actionOf[status] ?? null }
  if ((verb === 'pause' || verb === 'resume') && (status === 'stopped' || status === 'failed')) {
    fail('vm_not_running', { message: `The workspace is ${status}: there is nothing to ${verb}. Start it first.`, details })
  }
  const why = details.action === null ? '' : `; ${details.action} is under way`
  fail('conflict', { message: `The workspace is ${status}${why}: ${verb} is not possible now.`, details })
}

async function current(control: Control, id: string): Promise<WorkspaceRow> {
  return (await workspaces.findAny(control.store.db, id)) ?? fail('not_found', { message: 'The workspace was deleted.' })
}
