/** A VM that ended without having been asked to: clean up after it and say so in the row. */
import type { FoundVm, VmEnd } from '../runner/runner.ts'
import * as slots from '../store/slots.ts'
import * as workspaces from '../store/workspaces.ts'
import type { Control } from './control.ts'
import { settleStopped } from './settle.ts'

/** Handles the end of a VM in its workspace's turn; the end of an older boot is dropped. */
export function handleExit(control: Control, vm: FoundVm, end: VmEnd): Promise<void> {
  return control.mailboxes.run(vm.workspaceId, 'exited', () => settleExit(control, vm, end), { joins: false })
}

/** Moves a row whose VM is gone to `stopped`. */
async function settleExit(control: Control, vm: FoundVm, end: VmEnd): Promise<void> {
  const row = await workspaces.findAny(control.store.db, vm.workspaceId)
  if (row?.boot_id !== vm.bootId || row.status !== 'running') return
  const slot = (await slots.find(control.store.db, row.id)) ?? null
  await control.runner.shutdown({ workspaceId: row.id, slot }, 0)
  const failure = end.failure === null ? null : { code: end.failure, message: end.reason, at: control.clock.now() }
  await settleStopped(control, row, { actor: 'system', reason: end.reason, failure })
}
