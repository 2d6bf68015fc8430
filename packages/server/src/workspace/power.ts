/** Start, stop and restart. Each is what its caller wants to be true: asking for what is so already is no error. */
import { AlcoveError, fail, messageOf } from '../lib/fail.ts'
import { newId } from '../lib/ids.ts'
import * as slots from '../store/slots.ts'
import type { WorkspaceRow } from '../store/workspaces.ts'
import * as workspaces from '../store/workspaces.ts'
import { checkStart } from '../tenancy/ledger.ts'
import { type Control, within } from './control.ts'
import { failureOf, launch } from './launch.ts'
import { transition } from './lifecycle.ts'

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
  return control.mailboxes.run(id, 'stop', async () => down(control, await current(control, id), caller, 'stop'), { preempts: ['start', 'restart'] })
}

/** Stops and starts in one turn. */
export async function restart(control: Control, id: string, caller: Caller): Promise<WorkspaceRow> {
  return answer(
    control,
    id,
    control.mailboxes.run(id, 'restart', async (signal) => {
      const row = await down(control, await current(control, id), caller, 'restart')
      signal.throwIfAborted()
      return up(control, row, caller, signal)
    }),
  )
}

/** Ends the VM of a row and moves it to `stopped`; used by stop, restart, and for VMs that ended by themselves. */
export async function down(control: Control, row: WorkspaceRow, caller: Pick<Caller, 'actor'>, verb: 'stop' | 'restart'): Promise<WorkspaceRow> {
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
    await runner.shutdown({ workspaceId: row.id, slot }, row.status === 'running' ? times.stopGraceMs : 0)
  } catch (error) {
    throw new AlcoveError('STOP_FAILED', {
      message: `The virtual machine could not be stopped yet: ${messageOf(error)}. It is tried again; so may you.`,
      cause: error,
    })
  }
  return settleStopped(control, stopping, caller.actor, `${verb} is done`)
}

/** Moves a row whose VM is proved gone to `stopped` and frees what a stopped workspace does not hold. */
export async function settleStopped(
  control: Control,
  row: WorkspaceRow,
  actor: string,
  reason: string,
  failure: WorkspaceRow['failure'] = null,
): Promise<WorkspaceRow> {
  return control.store.transaction(async (tx) => {
    const now = control.clock.now()
    const patch = { deadline_at: null, booted_config: null, failure }
    const stopped = await transition(tx, row, { from: ['running', 'stopping'], to: 'stopped', bootId: row.boot_id, actor, reason, patch }, now)
    if (!stopped) fail('conflict', { message: 'The workspace was changed while it stopped.' })
    if (!holdsAddress(stopped)) await slots.release(tx, row.id, now)
    return stopped
  })
}

/** Whether a workspace keeps its address while it is stopped. */
export function holdsAddress(row: Pick<WorkspaceRow, 'mode' | 'config'>): boolean {
  return row.config.static_network || row.mode === 'permanent'
}

async function up(control: Control, row: WorkspaceRow, caller: Caller, signal: AbortSignal): Promise<WorkspaceRow> {
  return finishStart(control, await admitStart(control, row, caller), caller.actor, signal)
}

/** Boots the VM of a row that says `starting`, and moves it to `running` or `failed`. */
export async function finishStart(control: Control, starting: WorkspaceRow, actor: string, signal: AbortSignal): Promise<WorkspaceRow> {
  try {
    return await launch(control, starting, actor, signal)
  } catch (error) {
    // Whoever pre-empted the start decides what becomes of the row.
    if (signal.aborted) throw new AlcoveError('conflict', { message: 'The start was given up in favour of a later request.', cause: error })
    await failStart(control, starting, actor, error)
    throw error instanceof AlcoveError ? error : new AlcoveError('START_FAILED', { message: messageOf(error), cause: error })
  }
}

/** Moves a stopped or failed row to `starting` with a new boot, within the running pool. */
async function admitStart(control: Control, row: WorkspaceRow, caller: Caller): Promise<WorkspaceRow> {
  const { store, plans, clock, times } = control
  const request = { cpus: row.cpus, memory_mb: row.memory_mb, disk_mb: row.disk_mb }
  return store.transaction(async (tx) => {
    const now = clock.now()
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
  })
}

async function failStart(control: Control, row: WorkspaceRow, actor: string, error: unknown): Promise<void> {
  const now = control.clock.now()
  const failure = failureOf(error, now)
  await control.store.transaction(async (tx) => {
    const failed = await transition(
      tx,
      row,
      { from: ['starting'], to: 'failed', bootId: row.boot_id, actor, reason: failure.message, patch: { failure, deadline_at: null } },
      now,
    )
    if (failed && !holdsAddress(failed)) await slots.release(tx, row.id, now)
  })
}

async function current(control: Control, id: string): Promise<WorkspaceRow> {
  return (await workspaces.findAny(control.store.db, id)) ?? fail('not_found', { message: 'The workspace was deleted.' })
}

/** The outcome, or the row as it is when the budget of an answer is used up. */
async function answer(control: Control, id: string, outcome: Promise<WorkspaceRow>): Promise<WorkspaceRow> {
  return (await within(control, outcome)) ?? current(control, id)
}
