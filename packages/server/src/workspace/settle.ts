/** Where a workspace comes to rest after its VM: `stopped` or `failed`, and what follows from that. */
import type { Cause } from '@alcove/contract'
import { fail, messageOf } from '../lib/fail.ts'
import type { Tx } from '../store/open.ts'
import type { StoredExit } from '../store/schema.ts'
import * as slots from '../store/slots.ts'
import type { WorkspacePatch, WorkspaceRow } from '../store/workspaces.ts'
import type { Control } from './control.ts'
import { type Transition, transition } from './lifecycle.ts'

/** Why and by whom a workspace comes to rest. */
export interface Settlement {
  readonly actor: string
  readonly cause: Cause
  readonly reason: string
  readonly failure: WorkspaceRow['failure']
  /** `at`: when it ended; now where nothing is said. */
  readonly exit: Omit<StoredExit, 'at'> & { readonly at?: number }
  readonly patch?: Omit<WorkspacePatch, 'status' | 'operation_id'>
  readonly ends?: Transition['ends']
}

/** Moves a row whose VM is proved gone to `stopped` and frees what a stopped workspace does not hold. */
export function settleStopped(control: Pick<Control, 'store' | 'clock'>, row: WorkspaceRow, settlement: Settlement): Promise<WorkspaceRow> {
  return control.store.transaction(async (tx) => {
    const now = control.clock.now()
    const stopped = await moveToStopped(tx, row, settlement, now)
    if (!holdsAddress(stopped)) await slots.release(tx, row.id, now)
    return stopped
  })
}

/** Moves a row whose VM is proved gone to `stopped`; the address stays. @throws conflict when the row is not as it was */
export async function moveToStopped(tx: Tx, row: WorkspaceRow, settlement: Settlement, now: number): Promise<WorkspaceRow> {
  const { actor, cause, reason, failure, exit, ends } = settlement
  const last_exit = { at: now, ...exit }
  const patch = { deadline_at: null, booted_config: null, restart_at: null, failure, last_exit, ...settlement.patch }
  const from = ['running', 'pausing', 'paused', 'resuming', 'stopping'] as const
  const data = { exit: last_exit }
  const move: Transition = { from, to: 'stopped', bootId: row.boot_id, actor, cause, reason, patch, data, ...(ends === undefined ? {} : { ends }) }
  return (await transition(tx, row, move, now)) ?? fail('conflict', { message: 'The workspace was changed while it stopped.' })
}

/** Moves a row whose boot failed to `failed`. Its address is freed only when nothing of the boot is left that could use it. */
export async function settleFailed(
  { store, runner, clock, log }: Control,
  row: WorkspaceRow,
  by: { readonly actor: string; readonly cause: Cause },
  failure: NonNullable<WorkspaceRow['failure']>,
  more: Omit<WorkspacePatch, 'status' | 'operation_id'> = {},
): Promise<void> {
  const slot = (await slots.find(store.db, row.id)) ?? null
  const isGone = await runner.shutdown({ workspaceId: row.id, slot }, 0).then(
    () => true,
    (error) => {
      log.error({ workspaceId: row.id, reason: messageOf(error) }, 'a failed boot could not be cleared away yet; the address is kept')
      return false
    },
  )
  await store.transaction(async (tx) => {
    const now = clock.now()
    const last_exit = { cause: 'boot_failed', exitCode: null, signal: null, requestedBy: null, message: failure.message, at: now } as const
    const patch = { last_exit, ...more, failure, deadline_at: null }
    const move = { from: ['creating', 'starting'], to: 'failed', bootId: row.boot_id, ...by, reason: failure.message, patch, data: { failure } } as const
    const failed = await transition(tx, row, move, now)
    if (failed && isGone && !holdsAddress(failed)) await slots.release(tx, row.id, now)
  })
}

/** Whether a workspace keeps its address while it is stopped. */
export function holdsAddress(row: Pick<WorkspaceRow, 'mode' | 'config'>): boolean {
  return row.config.static_network || row.mode === 'permanent'
}
