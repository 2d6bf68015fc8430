/** How the VMs of this host are doing, as their VMM tells it. */
import type { BootDependencies } from './boot.ts'
import type { LiveVm, LiveVms } from './live-vms.ts'
import type { VmHealth } from './runner.ts'

/** Checks in a row without an answer that make a VM unresponsive: one may be lost to a busy host. */
const missesAllowed = 1

/** Asks every VM; the VMM bounds the time of each answer. */
export function checkHealth(deps: Pick<BootDependencies, 'log'> & { readonly live: LiveVms }): Promise<VmHealth[]> {
  return Promise.all(
    deps.live.all().map(async (live) => {
      const { workspaceId, bootId } = live.spec
      return { workspaceId, bootId, state: await stateOf(deps, live) }
    }),
  )
}

async function stateOf({ log }: Pick<BootDependencies, 'log'>, live: LiveVm): Promise<VmHealth['state']> {
  try {
    const status = await live.vm.status()
    if (!['running', 'paused', 'io-error'].includes(status)) return missed(live)
    live.missedChecks = 0
    live.isPaused = status === 'paused'
    if (status === 'running') return 'ok'
    // Frozen on request: going on is its owner's to ask for.
    if (status === 'paused') return 'paused'
    // The write that did not fit is done again: with room it succeeds, without the VM stops anew.
    log.warn({ workspaceId: live.spec.workspaceId }, 'the host could not take a write of the virtual machine; trying again')
    await live.vm.resume()
    return 'host_disk'
  } catch {
    return missed(live)
  }
}

function missed(live: LiveVm): VmHealth['state'] {
  live.missedChecks += 1
  return live.missedChecks > missesAllowed ? 'unresponsive' : 'ok'
}
