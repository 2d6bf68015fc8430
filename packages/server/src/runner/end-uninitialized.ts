/** A guest whose disk, network or start command did not come up is of no use to anybody: its VM is ended, and the reason kept. */
import { AlcoveError, messageOf } from '../lib/fail.ts'
import type { BootDependencies } from './boot.ts'
import { endWithin } from './end-within.ts'
import type { LiveVm } from './live-vms.ts'

/** Waits for the end of the initialisation; ends the VM when the guest says that it failed. Never rejects. */
export async function endUninitialized({ clock, log }: Pick<BootDependencies, 'clock' | 'log'>, live: LiveVm, initialized: Promise<void>): Promise<void> {
  const { workspaceId } = live.spec
  try {
    await initialized
  } catch (error) {
    if (live.isEnding) return
    // Anything but the guest's own word may only mean that the VM is gone; then its end is the reason, not what it cut off.
    if (!(error instanceof AlcoveError) && (await endWithin(clock, live.vm))) return
    log.error({ workspaceId, reason: messageOf(error) }, 'the guest could not be initialised; ending the virtual machine')
    live.initFailure = error instanceof AlcoveError ? error.message : `The guest could not be initialised: ${messageOf(error)}`
    await live.vm.kill().catch((failure) => log.error({ workspaceId, err: failure }, 'could not end the virtual machine'))
  }
}
