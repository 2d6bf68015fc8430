/** A VM that ended without having been asked to: clean up after it and say so in the row. */

import type { FoundVm } from '../runner/runner.ts'
import * as slots from '../store/slots.ts'
import * as workspaces from '../store/workspaces.ts'
import type { VmExit } from '../vmm/driver.ts'
import type { Control } from './control.ts'
import { settleStopped } from './power.ts'

/** Handles the end of a VM in its workspace's turn; the end of an older boot is dropped. */
export function handleExit(control: Control, vm: FoundVm, exit: VmExit): Promise<void> {
  return control.mailboxes.run(vm.workspaceId, 'exited', () => settleExit(control, vm, exit), { joins: false })
}

/** Moves a row whose VM is gone to `stopped`. */
export async function settleExit(control: Control, vm: FoundVm, exit: VmExit): Promise<void> {
  const row = await workspaces.findAny(control.store.db, vm.workspaceId)
  if (row?.boot_id !== vm.bootId || row.status !== 'running') return
  const slot = (await slots.find(control.store.db, row.id)) ?? null
  await control.runner.shutdown({ workspaceId: row.id, slot }, 0)
  const isClean = exit.cause === 'poweroff' || exit.cause === 'quit'
  const failure = isClean ? null : { code: 'vm_exited', message: `The virtual machine ended by itself: ${exit.detail}`, at: control.clock.now() }
  await settleStopped(control, row, 'system', `the virtual machine ended: ${exit.detail}`, failure)
}
