/** The runner of this host. */
import { messageOf } from '../lib/fail.ts'
import { once } from '../lib/once.ts'
import { slotNames } from '../network/slots.ts'
import { adopt } from './adopt.ts'
import { type BootDependencies, boot } from './boot.ts'
import { endUninitialized } from './end-uninitialized.ts'
import { checkHealth } from './health.ts'
import { readHostCapacity } from './host-capacity.ts'
import { judgeExit } from './judge-gone.ts'
import { LiveVms, leaseOf, liveVm } from './live-vms.ts'
import { tailLog } from './log-files.ts'
import { workspacePaths } from './paths.ts'
import { pause, resume } from './pause.ts'
import { readVm } from './read-vm.ts'
import type { BootedVm, BootSpec, Runner, VmLease } from './runner.ts'
import { destroy, shutdown } from './shutdown.ts'
import { discard, readInventory } from './traces.ts'

/** Makes the runner of this host. */
export function createLocalRunner(options: BootDependencies): Runner {
  const live = new LiveVms()
  const deps = { ...options, live }
  const prepare = once(() => deps.network.ensure())
  return {
    async host() {
      const [fingerprint, capacity] = await Promise.all([deps.vmm.fingerprint(), readHostCapacity(deps.dataDir)])
      return { accel: fingerprint.accel, accelReason: fingerprint.reason, vmmVersion: fingerprint.version, ...capacity }
    },
    addressOf: (slot) => slotNames(slot).ip,
    prepare,
    boot: async (spec, signal) => {
      await prepare()
      return bootAndHold(deps, spec, signal)
    },
    shutdown: (target, graceMs) => shutdown(deps, target, graceMs),
    pause: (workspaceId, bootId) => pause(deps, workspaceId, bootId),
    resume: (workspaceId, bootId) => resume(deps, workspaceId, bootId),
    destroy: (target) => destroy(deps, target),
    adopt: (known) => adopt(deps, known),
    inventory: () => readInventory(deps),
    discard: (boot) => discard(deps, boot),
    processes: () => deps.vmm.inventory(),
    async read(workspaceId) {
      const vm = live.get(workspaceId)
      return vm && readVm(deps, vm)
    },
    logs: (workspaceId, source, tailLines) => tailLog(workspacePaths(deps.dataDir, workspaceId).logs, source, tailLines),
    updateNetwork: (target) => updateNetwork(deps, target),
    async verifyNetwork(wanted) {
      for (const target of wanted) {
        await updateNetwork(deps, target).catch((error) => deps.log.warn({ workspaceId: target.workspaceId, reason: messageOf(error) }, 'rules not changed'))
      }
      await deps.step('network.verify', () => deps.network.verify(live.all().map(leaseOf)))
    },
    checkHealth: () => checkHealth(deps),
    onExit: (listener) =>
      live.onExit(({ spec, initFailure }, exit) => {
        const { workspaceId, bootId } = spec
        void judgeExit(deps, workspaceId, exit, initFailure).then((end) => listener({ workspaceId, bootId }, end))
      }),
    close: () => live.releaseAll(),
  }
}

async function bootAndHold(deps: BootDependencies & { live: LiveVms }, spec: BootSpec, signal: AbortSignal): Promise<BootedVm> {
  const { vm, guest, startedAt, timings, initialized } = await boot(deps, spec, signal)
  const held = liveVm(spec, vm, guest)
  deps.live.add(held)
  void endUninitialized(deps, held, initialized)
  return { workspaceId: spec.workspaceId, bootId: spec.bootId, startedAt, timings }
}

/** Changes the rules of a VM that is held; what is as it should be is left alone. */
async function updateNetwork({ live, network, step }: BootDependencies & { live: LiveVms }, target: VmLease): Promise<void> {
  const held = live.get(target.workspaceId)
  if (held?.spec.bootId !== target.bootId || held.isEnding || held.allowInternet === target.allowInternet) return
  // First, and kept when it fails: the next repair then makes the rules so.
  held.allowInternet = target.allowInternet
  await step('network.update', () => network.update(target))
}
