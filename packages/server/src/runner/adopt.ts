/** Taking up VMs that run already: after a restart of the daemon every living VM is found by its record and goes on undisturbed. */
import { messageOf } from '../lib/fail.ts'
import { type BootDependencies, configuration, initialize } from './boot.ts'
import type { LiveVm, LiveVms } from './live-vms.ts'
import { workspacePaths } from './paths.ts'
import { findRecord } from './record.ts'
import type { BootSpec, FoundVm } from './runner.ts'

/** VMs that are taken up at the same time. */
const parallel = 16

/** Takes up each known VM that is alive. One that cannot be reached costs the others nothing. */
export async function adopt(deps: BootDependencies & { readonly live: LiveVms }, known: readonly FoundVm[]): Promise<FoundVm[]> {
  const adopted: FoundVm[] = []
  const queue = [...known]
  const worker = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      if (deps.live.get(next.workspaceId) || (await adoptOne(deps, next))) adopted.push(next)
    }
  }
  await Promise.all(Array.from({ length: Math.min(parallel, known.length) }, worker))
  return adopted
}

async function adoptOne(deps: BootDependencies & { readonly live: LiveVms }, known: FoundVm): Promise<boolean> {
  try {
    const record = await findRecord(workspacePaths(deps.dataDir, known.workspaceId).record)
    if (!record?.handle || record.spec.bootId !== known.bootId) return false
    const vm = await deps.vmm.attach(record.handle)
    if (!vm) return false
    const live: LiveVm = { spec: record.spec, vm, guest: undefined, lastReading: undefined, ending: false }
    deps.live.add(live)
    void takeUpGuest(deps, live)
    return true
  } catch (error) {
    deps.log.error({ workspaceId: known.workspaceId, err: error }, 'could not take up the virtual machine')
    return false
  }
}

/** Connects to the agent; finishes the configuration if the daemon died before it was sent. */
async function takeUpGuest(deps: BootDependencies, live: LiveVm): Promise<void> {
  const deadline = deps.clock.deadline(deps.bootTimeoutMs)
  try {
    // A daemon that died between launch and resume left the CPUs stopped.
    if ((await live.vm.status()) === 'prelaunch') await resumeInterrupted(deps, live)
    live.guest = await deps.connectGuest(live.vm.handle.agentSocket, { signal: deadline })
    const info = await live.guest.info(deadline)
    if (info.phase === 'waiting') await initialize(live.guest, configuration(deps, live.spec, await deps.images.get(live.spec.imageDigest)), deadline)
  } catch (error) {
    deps.log.warn({ workspaceId: live.spec.workspaceId, reason: messageOf(error) }, 'the guest of an adopted virtual machine does not answer')
  }
}

async function resumeInterrupted(deps: BootDependencies, live: LiveVm): Promise<void> {
  await deps.network.attach(leaseOf(live.spec), live.vm.handle.pid)
  await live.vm.resume()
}

/** The network lease of a boot. */
export function leaseOf(spec: BootSpec) {
  return { workspaceId: spec.workspaceId, bootId: spec.bootId, slot: spec.slot, allowInternet: spec.allowInternet }
}
