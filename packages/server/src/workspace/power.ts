/** Starting and ending a VM, in a turn that the caller has. What is asked for and when is decided in `verbs.ts`. */
import type { OperationVerb } from '@alcove/contract'
import { AlcoveError, fail, messageOf } from '../lib/fail.ts'
import { newId } from '../lib/ids.ts'
import type { Tx } from '../store/open.ts'
import * as slots from '../store/slots.ts'
import type { WorkspacePatch, WorkspaceRow } from '../store/workspaces.ts'
import { checkStart } from '../tenancy/ledger.ts'
import { assertGeneration, type Caller } from './caller.ts'
import type { Control } from './control.ts'
import { failureOf, launch } from './launch.ts'
import { takeOver, transition } from './lifecycle.ts'
import { Preempted } from './mailbox.ts'
import { finishRemoval, moveToDeleting } from './remove.ts'
import { moveToStopped, type Settlement, settleFailed, settleStopped } from './settle.ts'

/** Boots the VM of a stopped or failed row; the row is `running` then. `verb`: what was asked for. */
export async function startNow(control: Control, row: WorkspaceRow, caller: Caller, signal: AbortSignal, verb: 'start' | 'retry'): Promise<WorkspaceRow> {
  const starting = await control.store.transaction((tx) => admitStart(control, tx, row, caller, { verb }))
  return finishStart(control, starting, caller, signal)
}

/** Ends the VM of a row and moves it to `stopped`; one that is to go with its VM is removed. */
export async function stopNow(control: Control, row: WorkspaceRow, caller: Caller): Promise<WorkspaceRow> {
  const over = caller.cause === 'ttl' ? { expires_at: null } : {}
  const wanted = { desired: 'stopped', user_requested_stop: caller.cause === 'request', restart_at: null, restart_count: 0, ...over } as const
  const stopping = await beginStop(control, row, caller, 'stop', wanted)
  await endVm(control, stopping)
  return finishStop(control, stopping, caller)
}

/** Moves a row whose VM was ended at somebody's request to `stopped`, or removes it. */
export async function finishStop(control: Control, stopping: WorkspaceRow, caller: Caller): Promise<WorkspaceRow> {
  const settlement = settlementOf(caller, caller.cause === 'ttl' ? 'ttl' : 'stop')
  if (!stopping.config.remove_on_exit) return settleStopped(control, stopping, settlement)
  const deleting = await control.store.transaction(async (tx) => {
    const now = control.clock.now()
    return moveToDeleting(control, tx, await moveToStopped(tx, stopping, settlement, now), 'remove_on_exit', now)
  })
  await finishRemoval(control, deleting)
  return deleting
}

/** Ends the VM of a row and boots it anew, as one operation. `verb` and `patch`: what the restart is for. */
export async function restartNow(
  control: Control,
  row: WorkspaceRow,
  caller: Caller,
  signal: AbortSignal,
  { verb = 'restart', change }: { readonly verb?: OperationVerb; readonly change?: (tx: Tx) => Promise<unknown> } = {},
): Promise<WorkspaceRow> {
  if (row.status === 'stopped') {
    const starting = await control.store.transaction((tx) => admitStart(control, tx, row, caller, { verb }))
    return finishStart(control, starting, caller, signal)
  }
  const stopping = await beginStop(control, row, caller, verb, { desired: 'running', restart_at: null, restart_count: 0 }, change)
  await endVm(control, stopping)
  return finishRestart(control, stopping, caller, signal)
}

/** Second half of a restart: the VM is gone, the row says `stopping` and wants to run. */
export async function finishRestart(control: Control, stopping: WorkspaceRow, caller: Caller, signal: AbortSignal): Promise<WorkspaceRow> {
  signal.throwIfAborted()
  const settlement = { ...settlementOf(caller, 'restart'), ends: 'not yet' } as const
  // In one transaction: a daemon that dies in between must not leave a workspace stopped that nobody asked to stop.
  const admit = control.store.transaction(async (tx) => {
    const stopped = await moveToStopped(tx, stopping, settlement, control.clock.now())
    return admitStart(control, tx, stopped, caller, {})
  })
  const starting = await admit.catch(async (error) => {
    const { code, message } = failureOf(error, 0)
    await settleStopped(control, stopping, { ...settlement, ends: { status: 'failed', error: { code, message } } })
    throw error
  })
  return finishStart(control, starting, caller, signal)
}

/** Moves a row towards its stop; one that is on its way already stays so and wants what is wanted now. */
async function beginStop(
  { store, clock, times }: Control,
  row: WorkspaceRow,
  caller: Caller,
  verb: OperationVerb,
  wanted: WorkspacePatch,
  change?: (tx: Tx) => Promise<unknown>,
): Promise<WorkspaceRow> {
  const { actor, cause } = caller
  const stopping = await store.transaction(async (tx) => {
    const now = clock.now()
    await change?.(tx)
    const patch = { ...wanted, deadline_at: now + times.moveDeadlineMs }
    const begins = { verb, caller }
    if (row.status === 'stopping') return takeOver(tx, row, begins, patch, now)
    const from = ['starting', 'running', 'pausing', 'paused', 'resuming', 'failed'] as const
    return transition(tx, row, { from, to: 'stopping', bootId: row.boot_id, actor, cause, reason: verb, patch, begins }, now)
  })
  return stopping ?? fail('conflict', { message: `The workspace is ${row.status}; it cannot be stopped now.`, details: { status: row.status } })
}

/** Ends whatever VM the workspace has; the guest has time to end by itself. @throws STOP_FAILED */
export async function endVm({ store, runner, times }: Control, stopping: WorkspaceRow): Promise<void> {
  const slot = (await slots.find(store.db, stopping.id)) ?? null
  try {
    // Also a stop that was cut off is in order: what the guest has not written yet would be lost.
    await runner.shutdown({ workspaceId: stopping.id, slot }, times.stopGraceMs)
  } catch (error) {
    throw new AlcoveError('STOP_FAILED', {
      message: `The virtual machine could not be stopped yet: ${messageOf(error)}. It is tried again; so may you.`,
      cause: error,
    })
  }
}

/** Boots the VM of a row that says `starting`, and moves it to `running` or `failed`. */
export async function finishStart(
  control: Control,
  starting: WorkspaceRow,
  caller: Pick<Caller, 'actor' | 'cause'>,
  signal: AbortSignal,
  onFailure: (failure: NonNullable<WorkspaceRow['failure']>) => Parameters<typeof settleFailed>[4] = () => ({}),
): Promise<WorkspaceRow> {
  const { actor, cause } = caller
  try {
    return await launch(control, starting, { actor, cause }, signal)
  } catch (error) {
    // Whoever pre-empted the start decides what becomes of the row.
    if (signal.reason instanceof Preempted) throw signal.reason
    const failure = failureOf(error, control.clock.now())
    await settleFailed(control, starting, { actor, cause }, failure, onFailure(failure))
    throw error instanceof AlcoveError ? error : new AlcoveError('START_FAILED', { message: messageOf(error), cause: error })
  }
}

/** Moves a stopped or failed row to `starting` with a new boot, within the running pool. Without a verb the operation under way goes on. */
export async function admitStart(
  { plans, clock, times }: Control,
  tx: Tx,
  row: WorkspaceRow,
  caller: Caller,
  { verb, to = 'starting', patch = {} }: { readonly verb?: OperationVerb; readonly to?: 'starting' | 'creating'; readonly patch?: WorkspacePatch },
): Promise<WorkspaceRow> {
  const now = clock.now()
  assertGeneration(row, caller)
  const request = { cpus: row.cpus, memory_mb: row.memory_mb, disk_mb: row.disk_mb }
  await checkStart(tx, { accountId: row.account_id, plan: plans.get(caller.plan), request, workspaceId: row.id })
  const begun = {
    desired: 'running',
    user_requested_stop: false,
    boot_id: newId('boot'),
    generation: row.generation + 1,
    failure: null,
    provisioning: null,
    restart_at: null,
    restart_count: 0,
    deadline_at: now + times.moveDeadlineMs,
    ...patch,
  } as const
  const { actor, cause } = caller
  const from = to === 'creating' ? (['failed'] as const) : (['stopped', 'failed'] as const)
  const move = { from, to, actor, cause, reason: verb ?? 'start', patch: begun, ...(verb ? { begins: { verb, caller } } : {}) } as const
  const starting = await transition(tx, row, move, now)
  if (!starting) fail('conflict', { message: `The workspace is ${row.status}; it cannot be started now.`, details: { status: row.status } })
  await slots.allocate(tx, row.id, now, { restMs: times.slotRestMs })
  return starting
}

/** A stop that was asked for. */
function settlementOf({ actor, cause }: Pick<Caller, 'actor' | 'cause'>, why: 'stop' | 'restart' | 'ttl'): Settlement {
  const reason = why === 'ttl' ? 'The time to live was over.' : `${why} is done`
  return { actor, cause, reason, failure: null, exit: { cause: why, exitCode: null, signal: null, requestedBy: actor, message: reason } }
}
