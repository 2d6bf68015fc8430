/** A guest whose disk, network or start command did not come up is of no use to anybody: its VM is ended, and the reason kept. */
import { AlcoveError, messageOf } from '../lib/fail.ts'
import type { BootDependencies } from './boot.ts'
import type { LiveVm } from './live-vms.ts'

/** Time in which the end of a VM is noticed after its agent has fallen silent, ms. */
const exitNoticeMs = 1_000

/** Waits for the end of the initialisation; ends the VM when the guest says that it failed. Never rejects. */
export async function endUninitialized({ clock, log }: Pick<BootDependencies, 'clock' | 'log'>, live: LiveVm, initialized: Promise<void>): Promise<void> {
  const { workspaceId } = live.spec
  try {
    await initialized
  } catch (error) {
    if (live.isEnding) return
    // Anything but the guest's own word may only mean that the VM is gone; then its end is the reason, not what it cut off.
    if (!(error instanceof AlcoveError) && (await endsWithin(clock, live, exitNoticeMs))) return
    log.error({ workspaceId, reason: messageOf(error) }, 'the guest could not be initialised; ending the virtual machine')
    live.initFailure = error instanceof AlcoveError ? error.message : `The guest could not be initialised: ${messageOf(error)}`
    await live.vm.kill().catch((failure) => log.error({ workspaceId, err: failure }, 'could not end the virtual machine'))
  }
}

async function endsWithin(clock: BootDependencies['clock'], { vm }: LiveVm, ms: number): Promise<boolean> {
  const noticed = new AbortController()
  const late = clock.sleep(ms, noticed.signal).then(
    () => false,
    () => false,
  )
  try {
    return await Promise.race([vm.exited.then(() => true), late])
  } finally {
    noticed.abort()
  }
}
