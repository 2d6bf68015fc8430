/** The end of a VM and of a workspace, in the one safe order: guest, VMM proved dead, network, files. Every step may be repeated. */
import { rm } from 'node:fs/promises'
import type { GuestClient } from '../guest/guest.ts'
import { messageOf } from '../lib/fail.ts'
import { slotOfTap } from '../network/slots.ts'
import type { Vm } from '../vmm/driver.ts'
import type { BootDependencies } from './boot.ts'
import type { LiveVms } from './live-vms.ts'
import { workspacePaths } from './paths.ts'
import { type BootRecord, findRecord } from './record.ts'
import { removeRuns } from './remove-runs.ts'

/** Time a guest has beyond its grace to sync, unmount and power off, ms. */
const powerOffMarginMs = 5_000

/** What ending uses. */
export type ShutdownDependencies = Pick<BootDependencies, 'dataDir' | 'vmm' | 'network' | 'connectGuest' | 'clock' | 'step' | 'log'> & {
  readonly live: LiveVms
}

/** The workspace whose VM is to end, and the slot it holds as far as the caller knows. */
interface Target {
  readonly workspaceId: string
  readonly slot: number | null
}

/** Ends whatever VM the workspace has, and takes down its network. Keeps disk and logs. @throws STOP_FAILED conflict when a process does not end */
export async function shutdown(deps: ShutdownDependencies, target: Target, graceMs: number): Promise<void> {
  const { step, network } = deps
  const record = await readableRecord(deps, target.workspaceId)
  await endVm(deps, target.workspaceId, record, graceMs)
  for (const slot of await slotsOf(deps, target, record)) {
    await step('shutdown.network', () => network.detach({ workspaceId: target.workspaceId, slot }))
  }
  await step('shutdown.files', () => removeRuns(deps, target.workspaceId, record))
}

/** Removes everything of a workspace. */
export async function destroy(deps: ShutdownDependencies, target: Target): Promise<void> {
  await shutdown(deps, target, 0)
  await deps.step('destroy.files', () => rm(workspacePaths(deps.dataDir, target.workspaceId).root, { recursive: true, force: true }))
}

/** The record if it can be read: ending must not depend on it, since the marker of each process names its workspace, too. */
async function readableRecord({ dataDir, log }: ShutdownDependencies, workspaceId: string): Promise<BootRecord | undefined> {
  try {
    return await findRecord(workspacePaths(dataDir, workspaceId).record)
  } catch (error) {
    log.error({ workspaceId, err: error }, 'the record of the last boot cannot be read; its processes are found by their marks')
    return undefined
  }
}

async function endVm(deps: ShutdownDependencies, workspaceId: string, record: BootRecord | undefined, graceMs: number): Promise<void> {
  const live = deps.live.get(workspaceId)
  if (live) live.isEnding = true
  const vm = live?.vm ?? (record?.handle ? await deps.vmm.attach(record.handle) : undefined)
  if (vm) {
    if (graceMs > 0) await deps.step('shutdown.guest', () => askGuest(deps, vm, live?.guest, graceMs))
    await deps.step('shutdown.kill', () => vm.kill())
    vm.release()
  }
  if (live) deps.live.remove(live)
  // A launch that was cut off may have left a VMM that no record names.
  for (const found of await deps.vmm.inventory()) {
    if (found.workspaceId === workspaceId) await deps.step('shutdown.stray', () => deps.vmm.killProcess(found))
  }
}

/** Slots in which the workspace may have left something: its own, that of the record, and for a stranger those of its taps. */
async function slotsOf({ network }: ShutdownDependencies, { workspaceId, slot }: Target, record: BootRecord | undefined): Promise<Set<number>> {
  const taps = slot === null ? await network.inventory() : []
  const ofTaps = taps.filter((tap) => tap.workspaceId === workspaceId).map((tap) => slotOfTap(tap.tap))
  return new Set([slot, record?.spec.slot, ...ofTaps].filter((one) => typeof one === 'number'))
}

/** Asks the agent to shut down and waits for the VM's end; a guest that does not obey in time is killed by the next step. */
async function askGuest(deps: ShutdownDependencies, vm: Vm, guest: GuestClient | undefined, graceMs: number): Promise<void> {
  const deadline = deps.clock.deadline(graceMs + powerOffMarginMs)
  // A frozen guest could not end in order. Harmless where it runs; where the VMM does not answer it is killed.
  await vm.resume().catch(() => {})
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

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
