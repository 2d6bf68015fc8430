/** A VM that ended without having been asked to: clean up after it, say so in the row, and decide what follows. */
import type { FoundVm, VmEnd } from '../runner/runner.ts'
import * as slots from '../store/slots.ts'
import type { WorkspaceRow } from '../store/workspaces.ts'
import * as workspaces from '../store/workspaces.ts'
import type { Control } from './control.ts'
import { finishRemoval, moveToDeleting } from './remove.ts'
import { patchOf } from './restart.ts'
import { type Sequel, sequelOf } from './restart-policy.ts'
import { moveToStopped, type Settlement, settleStopped } from './settle.ts'

/** States in which a VM may end by itself. */
const alive = ['running', 'pausing', 'paused', 'resuming']

/** Handles the end of a VM in its workspace's turn; the end of an older boot is dropped. */
export function handleExit(control: Control, vm: FoundVm, end: VmEnd): Promise<void> {
  // Clearing up after it takes time, and so does the turn; it ended before.
  const endedAt = control.clock.now()
  return control.mailboxes.run(vm.workspaceId, 'exited', () => settleExit(control, vm, end, endedAt), { joins: false })
}

async function settleExit(control: Control, vm: FoundVm, end: VmEnd, endedAt: number): Promise<void> {
  const { store, runner, clock, random } = control
  const row = await workspaces.findAny(store.db, vm.workspaceId)
  if (row?.boot_id !== vm.bootId || !alive.includes(row.status)) return
  const slot = (await slots.find(store.db, row.id)) ?? null
  await runner.shutdown({ workspaceId: row.id, slot }, 0)
  const now = clock.now()
  const ranMs = row.started_at === null ? 0 : Math.max(0, endedAt - row.started_at)
  const sequel = sequelOf(row, { clean: end.failure === null, byHostReboot: end.cause === 'host_reboot', ranMs, now, random: random() })
  if (sequel.kind !== 'remove') {
    await settleStopped(control, row, { ...settlementOf(row, end, endedAt), patch: patchOf(sequel), reason: reasonOf(end, sequel) })
    return
  }
  const deleting = await store.transaction(async (tx) => {
    const stopped = await moveToStopped(tx, row, settlementOf(row, end, endedAt), now)
    return moveToDeleting(control, tx, stopped, 'remove_on_exit', now)
  })
  await finishRemoval(control, deleting)
}

function settlementOf(row: WorkspaceRow, { reason, cause, exitCode, signal, failure }: VmEnd, at: number): Settlement {
  return {
    actor: 'system',
    cause: cause === 'host_reboot' ? 'host_reboot' : cause.startsWith('guest_') ? 'guest' : 'host',
    reason,
    failure: failure === null ? null : { code: failure, message: reason, at },
    exit: { cause, exitCode, signal, requestedBy: null, message: reason, at },
    // What was being done to the VM when it ended has failed.
    ...(row.operation_id === null ? {} : { ends: { status: 'failed', error: { code: failure ?? 'conflict', message: reason } } }),
  }
}

function reasonOf(end: VmEnd, sequel: Exclude<Sequel, { kind: 'remove' }>): string {
  if (sequel.kind === 'restart') return `${end.reason} It is started again at ${new Date(sequel.at).toISOString()}.`
  return sequel.gaveUp ? `${end.reason} The restart policy has used up its attempts.` : end.reason
}
