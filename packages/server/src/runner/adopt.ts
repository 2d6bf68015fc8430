/** Taking up VMs that run already: after a restart of the daemon every living VM is found by its record and goes on undisturbed. */
import { messageOf } from '../lib/fail.ts'
import { type BootDependencies, configuration, initialize } from './boot.ts'
import { endUninitialized } from './end-uninitialized.ts'
import { judgeGone } from './judge-gone.ts'
import { type LiveVm, type LiveVms, liveVm } from './live-vms.ts'
import { workspacePaths } from './paths.ts'
import { type BootRecord, findRecordOf, findSpecCopy, writeRecord } from './record.ts'
import type { Adoption, FoundVm } from './runner.ts'

/** VMs that are taken up at the same time. */
const parallel = 16

type Dependencies = BootDependencies & { readonly live: LiveVms }

/** Takes up each known VM that is alive. One that cannot be reached costs the others nothing. */
export async function adopt(deps: Dependencies, known: readonly FoundVm[]): Promise<Adoption[]> {
  const adoptions: Adoption[] = []
  const queue = [...known]
  const worker = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) adoptions.push(await adoptOne(deps, next))
  }
  await Promise.all(Array.from({ length: Math.min(parallel, known.length) }, worker))
  return adoptions
}

/** Takes up one VM, unless this process holds it already. */
export async function adoptOne(deps: Dependencies, { workspaceId, bootId }: FoundVm): Promise<Adoption> {
  const found = { workspaceId, bootId }
  if (deps.live.get(workspaceId)?.spec.bootId === bootId) return { ...found, state: 'held' }
  try {
    const record = await findRecordOf(deps, found)
    const handle = record?.handle ?? undefined
    const vm = handle && (await deps.vmm.attach(handle))
    if (record && vm) return hold(deps, liveVm(record.spec, vm))
    // The record may be damaged, or older than the VM: the process itself tells whether it lives.
    const taken = await takeUpByMark(deps, found)
    if (taken) return taken
    const other = (await deps.vmm.inventory()).find((vm) => vm.workspaceId === workspaceId)
    if (!other) return { ...found, state: 'gone', end: await judgeGone(deps, found, handle) }
    // Boots follow each other: this one came after the one that is asked for, and whoever asks does not know it.
    deps.log.error(
      { ...found, lives: other.bootId },
      'a later virtual machine of the workspace lives; it is left alone. Check that the database is the newest.',
    )
    return { ...found, state: 'unknown' }
  } catch (error) {
    deps.log.error({ workspaceId, err: error }, 'could not find out whether the virtual machine lives; it is left alone and tried again')
    return { ...found, state: 'unknown' }
  }
}

function hold(deps: Dependencies, live: LiveVm): Adoption {
  const { workspaceId, bootId } = live.spec
  // Another call may have been quicker; one of two holders would be forgotten, and with it a watch.
  const other = deps.live.get(workspaceId)
  if (other?.spec.bootId === bootId) live.vm.release()
  else {
    deps.live.add(live)
    void takeUpGuest(deps, live)
  }
  return { workspaceId, bootId, state: 'held' }
}

/**
 * Takes up a VM by the mark of its process, and writes its record anew: same pid, same boot. What it was booted with comes from the copy in
 * the directory of the boot; where that is lost as well, the VM is left alone and stays `unknown` until it is stopped.
 */
async function takeUpByMark(deps: Dependencies, found: FoundVm): Promise<Adoption | undefined> {
  const paths = workspacePaths(deps.dataDir, found.workspaceId)
  const runDir = paths.run(found.bootId)
  const handle = await deps.vmm.findHandle({ ...found, runDir, lockPath: paths.lock })
  const vm = handle && (await deps.vmm.attach(handle))
  if (!vm) return undefined
  try {
    const spec = await findSpecCopy(runDir, found)
    if (!spec) {
      deps.log.error(found, 'the virtual machine lives, but its record is gone; stop and start the workspace')
      vm.release()
      return { ...found, state: 'unknown' }
    }
    const record: BootRecord = { version: 1, spec, handle }
    // A host without room for it is no reason to let go of the VM.
    await deps
      .step('adopt.record', () => writeRecord(paths.record, record))
      .catch((error) => deps.log.error({ ...found, err: error }, 'the record of the virtual machine could not be written anew'))
    deps.log.warn(found, 'the record of the virtual machine was lost; it was taken up by its process')
    return hold(deps, liveVm(spec, vm))
  } catch (error) {
    vm.release()
    throw error
  }
}

/** Connects to the agent; finishes the configuration if the daemon died before it was sent. */
async function takeUpGuest(deps: Dependencies, live: LiveVm): Promise<void> {
  const deadline = deps.clock.deadline(deps.bootTimeoutMs)
  try {
    // A frozen guest does not answer; whoever lets it go on connects.
    live.isPaused = (await live.vm.status()) === 'paused'
    if (live.isPaused) return
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
