/** The runner of this host. */
import { readdir } from 'node:fs/promises'
import { messageOf } from '../lib/fail.ts'
import { slotNames } from '../network/slots.ts'
import { adopt, leaseOf } from './adopt.ts'
import { type BootDependencies, boot } from './boot.ts'
import { readHostCapacity } from './host-capacity.ts'
import { type LiveVm, LiveVms } from './live-vms.ts'
import { tailLog } from './log-files.ts'
import { workspacePaths, workspacesRoot } from './paths.ts'
import { readVm } from './read-vm.ts'
import type { BootedVm, BootSpec, Runner } from './runner.ts'
import { destroy, shutdown } from './shutdown.ts'

/** Makes the runner of this host. */
export function createLocalRunner(options: BootDependencies): Runner {
  const live = new LiveVms()
  const deps = { ...options, live }
  return {
    async host() {
      const [fingerprint, capacity] = await Promise.all([deps.vmm.fingerprint(), readHostCapacity(deps.dataDir)])
      return { accel: fingerprint.accel, accelReason: fingerprint.reason, vmmVersion: fingerprint.version, ...capacity }
    },
    addressOf: (slot) => slotNames(slot).ip,
    boot: (spec, signal) => bootAndHold(deps, spec, signal),
    shutdown: (target, graceMs) => shutdown(deps, target, graceMs),
    destroy: (target) => destroy(deps, target),
    adopt: (known) => adopt(deps, known),
    inventory: () => inventory(deps),
    processes: () => deps.vmm.inventory(),
    async read(workspaceId) {
      const vm = live.get(workspaceId)
      return vm && readVm(deps, vm)
    },
    logs: (workspaceId, source, tailLines) => tailLog(workspacePaths(deps.dataDir, workspaceId).logs, source, tailLines),
    async updateNetwork(target) {
      const vm = live.get(target.workspaceId)
      if (vm?.spec.bootId === target.bootId) await deps.step('network.update', () => deps.network.update(target))
    },
    onExit: (listener) => live.onExit(listener),
    async verifyNetwork() {
      await deps.step('network.verify', () => deps.network.verify(live.all().map((vm) => leaseOf(vm.spec))))
    },
    close: () => live.releaseAll(),
  }
}

async function bootAndHold(deps: BootDependencies & { live: LiveVms }, spec: BootSpec, signal: AbortSignal): Promise<BootedVm> {
  const { vm, guest, startedAt, timings, initialized } = await boot(deps, spec, signal)
  const held: LiveVm = { spec, vm, guest, lastReading: undefined, ending: false }
  deps.live.add(held)
  initialized
    .catch((error) => {
      deps.log.error({ workspaceId: spec.workspaceId, reason: messageOf(error) }, 'the guest could not be initialised; ending the virtual machine')
      return vm.kill()
    })
    .catch((error) => deps.log.error({ workspaceId: spec.workspaceId, err: error }, 'could not end the virtual machine'))
  return { workspaceId: spec.workspaceId, bootId: spec.bootId, startedAt, timings }
}

/** Workspaces of which a process, a tap or a directory is on this host. */
async function inventory(deps: BootDependencies): Promise<string[]> {
  const [processes, taps, directories] = await Promise.all([
    deps.vmm.inventory(),
    deps.network.inventory(),
    readdir(workspacesRoot(deps.dataDir)).catch(() => []),
  ])
  return [...new Set([...processes.map((p) => p.workspaceId), ...taps.map((t) => t.workspaceId), ...directories.filter((name) => name.startsWith('ws_'))])]
}
