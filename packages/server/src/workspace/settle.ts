/** Where a workspace comes to rest after its VM: `stopped` or `failed`. */
import { fail, messageOf } from '../lib/fail.ts'
import type { Tx } from '../store/open.ts'
import * as slots from '../store/slots.ts'
import type { WorkspacePatch, WorkspaceRow } from '../store/workspaces.ts'
import type { Control } from './control.ts'
import { transition } from './lifecycle.ts'

/** Why and by whom a workspace comes to rest. */
export interface Settlement {
  readonly actor: string
  readonly reason: string
  readonly failure: WorkspaceRow['failure']
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
export async function moveToStopped(tx: Tx, row: WorkspaceRow, { actor, reason, failure }: Settlement, now: number): Promise<WorkspaceRow> {
  const patch = { deadline_at: null, booted_config: null, failure }
  const stopped = await transition(tx, row, { from: ['running', 'stopping'], to: 'stopped', bootId: row.boot_id, actor, reason, patch }, now)
  return stopped ?? fail('conflict', { message: 'The workspace was changed while it stopped.' })
}

/** Moves a row whose boot failed to `failed`. Its address is freed only when nothing of the boot is left that could use it. */
export async function settleFailed(
  { store, runner, clock, log }: Control,
  row: WorkspaceRow,
  actor: string,
  failure: NonNullable<WorkspaceRow['failure']>,
  more: WorkspacePatch = {},
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
    const patch = { ...more, failure, deadline_at: null }
    const move = { from: ['creating', 'starting'], to: 'failed', bootId: row.boot_id, actor, reason: failure.message, patch } as const
    const failed = await transition(tx, row, move, now)
    if (failed && isGone && !holdsAddress(failed)) await slots.release(tx, row.id, now)
  })
}

/** Whether a workspace keeps its address while it is stopped. */
export function holdsAddress(row: Pick<WorkspaceRow, 'mode' | 'config'>): boolean {
  return row.config.static_network || row.mode === 'permanent'
}
