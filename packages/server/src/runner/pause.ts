/** Freezing a VM and letting it go on. The VMM knows whether a VM is frozen, so nothing of it is lost with the daemon. */
import { fail, messageOf } from '../lib/fail.ts'
import { adoptOne } from './adopt.ts'
import type { BootDependencies } from './boot.ts'
import type { LiveVm, LiveVms } from './live-vms.ts'
import { guestOf } from './read-vm.ts'

/** Time a guest has to set its clock after it was let go on, ms. */
const timeTimeoutMs = 5_000

type Dependencies = BootDependencies & { readonly live: LiveVms }

/** Freezes the CPUs of a VM. @throws vm_not_running VM_UNAVAILABLE */
export async function pause(deps: Dependencies, workspaceId: string, bootId: string): Promise<void> {
  const live = await holdOf(deps, workspaceId, bootId)
  await deps.step('pause.freeze', () => live.vm.pause())
  live.isPaused = true
}

/** Lets a frozen VM go on. @throws vm_not_running VM_UNAVAILABLE */
export async function resume(deps: Dependencies, workspaceId: string, bootId: string): Promise<void> {
  const live = await holdOf(deps, workspaceId, bootId)
  await deps.step('resume.thaw', () => live.vm.resume())
  live.isPaused = false
  // Not waited for: a guest that never answers costs its caller nothing, and a wrong clock is no reason to say that it does not run.
  void tellTime(deps, live)
}

/** The VM as it is held, or taken up now. */
async function holdOf(deps: Dependencies, workspaceId: string, bootId: string): Promise<LiveVm> {
  const isHeld = deps.live.get(workspaceId)?.spec.bootId === bootId || (await adoptOne(deps, { workspaceId, bootId })).state === 'held'
  const live = isHeld ? deps.live.get(workspaceId) : undefined
  return live?.spec.bootId === bootId && !live.isEnding ? live : fail('vm_not_running')
}

/** The guest's clock stood with its CPUs. */
async function tellTime(deps: Dependencies, live: LiveVm): Promise<void> {
  const deadline = deps.clock.deadline(timeTimeoutMs)
  try {
    const guest = await guestOf(deps, live, deadline)
    await guest.setTime(deps.clock.now(), deadline)
  } catch (error) {
    deps.log.warn({ workspaceId: live.spec.workspaceId, reason: messageOf(error) }, 'the clock of a guest could not be set after its pause')
  }
}
