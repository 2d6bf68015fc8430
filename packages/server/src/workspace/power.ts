/** Start, stop and restart. Each is what its caller wants to be true: asking for what is so already is no error. */
import { AlcoveError, fail, messageOf } from '../lib/fail.ts'
import { newId } from '../lib/ids.ts'
import type { Tx } from '../store/open.ts'
import * as slots from '../store/slots.ts'
import type { WorkspaceRow } from '../store/workspaces.ts'
import * as workspaces from '../store/workspaces.ts'
import { checkStart } from '../tenancy/ledger.ts'
import { type Control, withinBudget } from './control.ts'
import { failureOf, launch } from './launch.ts'
import { transition } from './lifecycle.ts'
import { Preempted } from './mailbox.ts'
import { moveToStopped, settleFailed, settleStopped } from './settle.ts'

/** Who asks, and with which plan. */
export interface Caller {
  readonly actor: string
  readonly plan: string
}

/** Starts the VM unless it runs; with `force`, ends a running one first. */
export async function start(control: Control, id: string, caller: Caller, force: boolean): Promise<WorkspaceRow> {
  if (force) return restart(control, id, caller)
  return answer(
    control,
    id,
    control.mailboxes.run(id, 'start', async (signal) => {
      const row = await current(control, id)
      return row.status === 'running' ? row : up(control, row, caller, signal)
    }),
  )
}

/** Stops the VM unless it is stopped; keeps the disk. A start that is under way is given up. */
export async function stop(control: Control, id: string, caller: Caller): Promise<WorkspaceRow> {
  const turn = async () => stopNow(control, await current(control, id), caller)
  const stopped = await withinBudget(control, control.mailboxes.run(id, 'stop', turn, { preempts: ['start', 'restart', 'resume'] }))
  return stopped ?? fail('STOP_FAILED', { message: 'The virtual machine has not ended yet; stopping goes on. Look again in a moment.' })
}

/** Stops and starts in one turn. */
export async function restart(control: Control, id: string, caller: Caller): Promise<WorkspaceRow> {
  return answer(
    control,
    id,
    control.mailboxes.run(id, 'restart', async (signal) => restartNow(control, await current(control, id), caller, signal)),
  )
}

/** Ends the VM of a row and moves it to `stopped`, in a turn that the caller has. */
export async function stopNow(control: Control, row: WorkspaceRow, caller: Pick<Caller, 'actor'>): Promise<WorkspaceRow> {
  const ended = await down(control, row, caller, 'stop')
  return ended.status === 'stopping' ? settleStopped(control, ended, { actor: caller.actor, reason: 'stop is done', failure: null }) : ended
}

/** Ends the VM of a row and boots it anew, in a turn that the caller has. */
export async function restartNow(control: Control, row: WorkspaceRow, caller: Caller, signal: AbortSignal): Promise<WorkspaceRow> {
  const ended = await down(control, row, caller, 'restart')
  signal.throwIfAborted()
  if (ended.status !== 'stopping') return up(control, ended, caller, signal)
  const settlement = { actor: caller.actor, reason: 'restart', failure: null }
  // In one transaction: a daemon that dies in between must not leave a workspace stopped that nobody asked to stop.
  const admit = control.store.transaction(async (tx) => admitStart(control, tx, await moveToStopped(tx, ended, settlement, control.clock.now()), caller))
  const starting = await admit.catch(async (error) => {
    await settleStopped(control, ended, settlement)
    throw error
  })
  return finishStart(control, starting, caller.actor, signal)
}

/** Ends the VM of a row; the row is `stopped` or `stopping` then. */
async function down(control: Control, row: WorkspaceRow, caller: Pick<Caller, 'actor'>, verb: 'stop' | 'restart'): Promise<WorkspaceRow> {
  const { store, runner, clock, times } = control
  const byUser = verb === 'stop'
  const intent = byUser ? ({ desired: 'stopped', user_requested_stop: true } as const) : {}
  if (row.status === 'stopped') return byUser ? ((await store.transaction((tx) => workspaces.update(tx, row.id, intent, clock.now()))) ?? row) : row
  const stopping = await store.transaction((tx) => {
    const now = clock.now()
    const move = {
      from: ['starting', 'running', 'failed'],
      to: 'stopping',
      actor: caller.actor,
      reason: verb,
      patch: { ...intent, deadline_at: now + times.moveDeadlineMs },
    } as const
    return row.status === 'stopping' ? workspaces.update(tx, row.id, intent, now) : transition(tx, row, move, now)
  })
  if (!stopping) fail('conflict', { message: `The workspace is ${row.status}; it cannot be stopped now.`, details: { status: row.status } })
  const slot = (await slots.find(store.db, row.id)) ?? null
  try {
    // Also a stop that was cut off is in order: what the guest has not written yet would be lost.
    await runner.shutdown({ workspaceId: row.id, slot }, row.status === 'running' || row.status === 'stopping' ? times.stopGraceMs : 0)
  } catch (error) {
    throw new AlcoveError('STOP_FAILED', {
      message: `The virtual machine could not be stopped yet: ${messageOf(error)}. It is tried again; so may you.`,
      cause: error,
    })
  }
  return stopping
}

async function up(control: Control, row: WorkspaceRow, caller: Caller, signal: AbortSignal): Promise<WorkspaceRow> {
  const starting = await control.store.transaction((tx) => admitStart(control, tx, row, caller))
  return finishStart(control, starting, caller.actor, signal)
}

/** Boots the VM of a row that says `starting`, and moves it to `running` or `failed`. */
export async function finishStart(control: Control, starting: WorkspaceRow, actor: string, signal: AbortSignal): Promise<WorkspaceRow> {
  try {
    return await launch(control, starting, actor, signal)
  } catch (error) {
    // Whoever pre-empted the start decides what becomes of the row.
    if (signal.reason instanceof Preempted) throw signal.reason
    await settleFailed(control, starting, actor, failureOf(error, control.clock.now()))
    throw error instanceof AlcoveError ? error : new AlcoveError('START_FAILED', { message: messageOf(error), cause: error })
  }
}

/** Moves a stopped or failed row to `starting` with a new boot, within the running pool. */
async function admitStart({ plans, clock, times }: Control, tx: Tx, row: WorkspaceRow, caller: Caller): Promise<WorkspaceRow> {
  const now = clock.now()
  const request = { cpus: row.cpus, memory_mb: row.memory_mb, disk_mb: row.disk_mb }
  await checkStart(tx, { accountId: row.account_id, plan: plans.get(caller.plan), request, workspaceId: row.id })
  const patch = {
    desired: 'running',
    user_requested_stop: false,
    boot_id: newId('boot'),
    failure: null,
    provisioning: null,
    deadline_at: now + times.moveDeadlineMs,
  } as const
  const starting = await transition(tx, row, { from: ['stopped', 'failed'], to: 'starting', actor: caller.actor, reason: 'start', patch }, now)
  if (!starting) fail('conflict', { message: `The workspace is ${row.status}; it cannot be started now.`, details: { status: row.status } })
  await slots.allocate(tx, row.id, now, { restMs: times.slotRestMs })
  return starting
}

async function current(control: Control, id: string): Promise<WorkspaceRow> {
  return (await workspaces.findAny(control.store.db, id)) ?? fail('not_found', { message: 'The workspace was deleted.' })
}

/** The outcome, or the row as it is when the budget of an answer is used up. */
async function answer(control: Control, id: string, outcome: Promise<WorkspaceRow>): Promise<WorkspaceRow> {
  return (await withinBudget(control, outcome)) ?? current(control, id)
}
