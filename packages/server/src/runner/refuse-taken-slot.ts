/**
 * A slot is taken only when nobody uses it on this host. The database gives each slot away once; but one that is older than the VMs of its
 * host does not know them all, and whoever got the address and the user of one of them would be mistaken for it.
 */
import { fail } from '../lib/fail.ts'
import type { BootDependencies } from './boot.ts'
import type { BootSpec } from './runner.ts'

/** Looks for a tap in the slot of a boot, and for a VM that runs as its user. @throws service_unavailable with the reason `slot_taken` */
export async function refuseTakenSlot(
  { network, vmm, uidBase, log }: Pick<BootDependencies, 'network' | 'vmm' | 'uidBase' | 'log'>,
  { workspaceId, slot }: Pick<BootSpec, 'workspaceId' | 'slot'>,
): Promise<void> {
  const [byTap, byUid] = await Promise.all([network.findHolder(slot), vmm.findByUid(uidBase + slot)])
  const holder = [byTap, byUid?.workspaceId].find((one) => one !== undefined && one !== workspaceId)
  if (holder === undefined) return
  log.error({ workspaceId, slot, holder }, 'the slot is used by a virtual machine that the database does not know')
  // The holder may be somebody else's, so callers are not told of it.
  fail('service_unavailable', {
    message: 'The address of the workspace is used by a virtual machine that the database does not know; the operator of the host must look at it.',
    details: { reason: 'slot_taken' },
  })
}
