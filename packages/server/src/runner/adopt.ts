/** Taking up VMs that run already: after a restart of the daemon every living VM is found by its record and goes on undisturbed. */
import { messageOf } from '../lib/fail.ts'
import { type BootDependencies, configuration, initialize } from './boot.ts'
import { endUninitialized } from './end-uninitialized.ts'
import { type LiveVm, type LiveVms, liveVm } from './live-vms.ts'
import { workspacePaths } from './paths.ts'
import { findRecord } from './record.ts'
import type { Adoption, FoundVm } from './runner.ts'

/** VMs that are taken up at the same time. */
const parallel = 16

type Dependencies = BootDependencies & { readonly live: LiveVms }

/** Takes up each known VM that is alive. One that cannot be reached costs the others nothing. */
export async function adopt(deps: Dependencies, known: readonly FoundVm[]): Promise<Adoption[]> {
  const adoptions: Adoption[] = []
  const queue = [...known]
  const worker = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) adoptions.push({ ...next, state: await adoptOne(deps, next) })
  }
  await Promise.all(Array.from({ length: Math.min(parallel, known.length) }, worker))
  return adoptions
}

async function adoptOne(deps: Dependencies, { workspaceId, bootId }: FoundVm): Promise<Adoption['state']> {
  if (deps.live.get(workspaceId)?.spec.bootId === bootId) return 'held'
  try {
    const record = await findRecord(workspacePaths(deps.dataDir, workspaceId).record)
    const isOfBoot = record?.spec.bootId === bootId && record.handle !== null
    const vm = isOfBoot && record.handle ? await deps.vmm.attach(record.handle) : undefined
    if (!record || !vm) return await stateWithoutRecord(deps, { workspaceId, bootId }, isOfBoot)
    const live = liveVm(record.spec, vm)
    deps.live.add(live)
    void takeUpGuest(deps, live)
    return 'held'
  } catch (error) {
    deps.log.error({ workspaceId, err: error }, 'could not find out whether the virtual machine lives; it is left alone and tried again')
    return 'unknown'
  }
}

/** A VM is gone when its own record proves it, or when there is no record and no process of that boot either. */
async function stateWithoutRecord(deps: Dependencies, { workspaceId, bootId }: FoundVm, isProved: boolean): Promise<Adoption['state']> {
  if (isProved) return 'gone'
  const processes = await deps.vmm.inventory()
  if (!processes.some((process) => process.workspaceId === workspaceId && process.bootId === bootId)) return 'gone'
  deps.log.error({ workspaceId, bootId }, 'the virtual machine lives, but its record is gone; stop and start the workspace')
  return 'unknown'
}

/** Connects to the agent; finishes the configuration if the daemon died before it was sent. */
async function takeUpGuest(deps: Dependencies, live: LiveVm): Promise<void> {
  const deadline = deps.clock.deadline(deps.bootTimeoutMs)
  try {
    const guest = await deps.connectGuest(live.vm.handle.agentSocket, { signal: deadline })
    // A reading may have connected meanwhile; the agent keeps the newest connection only.
    live.guest?.close()
    live.guest = guest
    const { phase } = await guest.info(deadline)
    if (phase === 'ready') return
    // The same configuration again answers as before: that also waits for one that is under way, and tells of one that failed.
    const initialized = deps.images.get(live.spec.imageDigest).then((image) => initialize(guest, configuration(deps, live.spec, image), deadline))
    await endUninitialized(deps, live, initialized)
  } catch (error) {
    deps.log.warn({ workspaceId: live.spec.workspaceId, reason: messageOf(error) }, 'the guest of an adopted virtual machine does not answer')
  }
}
