/** The end of a VM and of a workspace, in the one safe order: guest, VMM proved dead, network, files. Every step may be repeated. */
import { readdir, rm } from 'node:fs/promises'
import { messageOf } from '../lib/fail.ts'
import type { Vm } from '../vmm/driver.ts'
import type { BootDependencies } from './boot.ts'
import type { LiveVms } from './live-vms.ts'
import { workspacePaths } from './paths.ts'
import { findRecord, removeRecord } from './record.ts'

/** Time a guest has beyond its grace to sync, unmount and power off, ms. */
const powerOffMarginMs = 5_000

/** What ending uses. */
export type ShutdownDependencies = Pick<BootDependencies, 'dataDir' | 'vmm' | 'network' | 'connectGuest' | 'clock' | 'step' | 'log'> & {
  readonly live: LiveVms
}

/** Ends whatever VM the workspace has, and takes down its network. Keeps disk and logs. */
export async function shutdown(deps: ShutdownDependencies, target: { workspaceId: string; slot: number | null }, graceMs: number): Promise<void> {
  const { step, vmm, network } = deps
  const paths = workspacePaths(deps.dataDir, target.workspaceId)
  const record = await findRecord(paths.record)
  const live = deps.live.get(target.workspaceId)
  if (live) live.ending = true
  const vm = live?.vm ?? (record?.handle ? await vmm.attach(record.handle) : undefined)
  if (vm) {
    if (graceMs > 0) await step('shutdown.guest', () => askGuest(deps, vm, live?.guest, graceMs))
    await step('shutdown.kill', () => vm.kill())
    vm.release()
  }
  await killStrays(deps, target.workspaceId)
  for (const slot of new Set([target.slot, record?.spec.slot ?? null])) {
    if (slot !== null) await step('shutdown.network', () => network.detach({ workspaceId: target.workspaceId, slot }))
  }
  await step('shutdown.files', async () => {
    const bootIds = new Set([...(await readdir(paths.runs).catch(() => [])), ...(record ? [record.spec.bootId] : [])])
    for (const bootId of bootIds) {
      const cgroups = record?.handle?.bootId === bootId ? record.handle.cgroups : []
      await vmm.reclaim({ workspaceId: target.workspaceId, bootId, runDir: paths.run(bootId), lockPath: paths.lock, cgroups })
    }
    await rm(paths.runs, { recursive: true, force: true })
    await removeRecord(paths.record)
  })
}

/** Removes everything of a workspace. */
export async function destroy(deps: ShutdownDependencies, target: { workspaceId: string; slot: number | null }): Promise<void> {
  await shutdown(deps, target, 0)
  await deps.step('destroy.files', () => rm(workspacePaths(deps.dataDir, target.workspaceId).root, { recursive: true, force: true }))
}

/** Asks the agent to shut down and waits for the VM's end; a guest that does not obey in time is killed by the next step. */
async function askGuest(
  deps: ShutdownDependencies,
  vm: Vm,
  guest: Awaited<ReturnType<BootDependencies['connectGuest']>> | undefined,
  graceMs: number,
): Promise<void> {
  const deadline = AbortSignal.any([deps.clock.deadline(graceMs + powerOffMarginMs)])
  const own = guest ? undefined : await deps.connectGuest(vm.handle.agentSocket, { signal: deadline }).catch(() => undefined)
  const client = guest ?? own
  if (!client) return
  try {
    await client.shutdown(graceMs, deadline)
    await Promise.race([vm.exited, aborted(deadline)])
  } catch (error) {
    deps.log.warn({ workspaceId: vm.handle.workspaceId, reason: messageOf(error) }, 'the guest did not shut down by itself')
  } finally {
    own?.close()
  }
}

/** A launch that was cut off may have left a VMM that no record names; its marker names the workspace. */
async function killStrays(deps: ShutdownDependencies, workspaceId: string): Promise<void> {
  for (const found of await deps.vmm.inventory()) {
    if (found.workspaceId === workspaceId) await deps.step('shutdown.stray', () => deps.vmm.killProcess(found))
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
