/** Live reading of a VM: the guest's own measurements and the host's counters side by side. */
import type { GuestClient } from '../guest/guest.ts'
import { messageOf } from '../lib/fail.ts'
import type { BootDependencies } from './boot.ts'
import type { LiveVm } from './live-vms.ts'
import type { VmReading } from './runner.ts'

/** Time a guest has to answer a reading, ms. */
const readTimeoutMs = 5_000

/** Reads a VM; `undefined` when it is frozen or its agent does not answer in time. */
export async function readVm(deps: Pick<BootDependencies, 'connectGuest' | 'network' | 'clock' | 'log'>, live: LiveVm): Promise<VmReading | undefined> {
  if (live.isPaused) return undefined
  const deadline = deps.clock.deadline(readTimeoutMs)
  try {
    const guest = await guestOf(deps, live, deadline)
    const [info, stats, cpuTimeNs, counters] = await Promise.all([
      guest.info(deadline),
      guest.stats(deadline),
      live.vm.cpuTimeNs(),
      deps.network.counters(live.spec.slot),
    ])
    return { info, stats, cpuPercent: cpuShare(deps.clock.monotonic(), live, cpuTimeNs, info.uptimeSeconds), ...counters }
  } catch (error) {
    live.guest?.close()
    live.guest = undefined
    deps.log.warn({ workspaceId: live.spec.workspaceId, reason: messageOf(error) }, 'the guest could not be read')
    return undefined
  }
}

/** The connection to the agent of a VM, made if there is none. */
export async function guestOf(deps: Pick<BootDependencies, 'connectGuest'>, live: LiveVm, signal: AbortSignal): Promise<GuestClient> {
  live.guest ??= await deps.connectGuest(live.vm.handle.agentSocket, { signal })
  return live.guest
}

/** Percent of the VM's CPUs used on the host since the last reading, or since its start for the first. */
function cpuShare(at: number, live: LiveVm, cpuTimeNs: number, uptimeSeconds: number): number {
  const since = live.lastReading ?? { cpuTimeNs: 0, at: at - uptimeSeconds * 1000 }
  live.lastReading = { cpuTimeNs, at }
  const elapsedNs = (at - since.at) * 1e6 * live.spec.cpus
  if (elapsedNs <= 0) return 0
  return Math.min(100, Math.max(0, (100 * (cpuTimeNs - since.cpuTimeNs)) / elapsedNs))
}
