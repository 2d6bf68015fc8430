/** A host in memory: what it holds outlives the runners that are made on it, as VMs outlive the daemon. Passes the runner suite. */
import { AlcoveError } from '../../packages/server/src/lib/fail.ts'
import { slotNames } from '../../packages/server/src/network/slots.ts'
import type { Adoption, BootSpec, FoundVm, Runner, VmEnd, VmHealth, VmReading } from '../../packages/server/src/runner/runner.ts'

interface Machine {
  readonly spec: BootSpec
  allowInternet: boolean
  readonly bootedAt: number
}

/** How the next boots go. */
export interface Knobs {
  /** Called in the middle of each boot; rejecting fails it. */
  onBoot?: ((spec: BootSpec, signal: AbortSignal) => Promise<void>) | undefined
  /** Called before a VM is shut down. */
  onShutdown?: (() => Promise<void>) | undefined
  /** What adoption says of every VM, instead of the truth. */
  adopts?: Adoption['state'] | undefined
  /** How every VM is doing. */
  health?: VmHealth['state'] | undefined
}

/** A host that can be given to one runner after the other. */
export class MemoryHost {
  readonly machines = new Map<string, Machine>()
  /** Workspaces that left something on the host. */
  readonly traces = new Set<string>()
  readonly knobs: Knobs = {}
  /** Boots that succeeded, in order. */
  readonly boots: BootSpec[] = []
  readonly #listeners = new Map<Runner, ((vm: FoundVm, end: VmEnd) => void)[]>()

  /** Ends a VM as if it had died. */
  crash(workspaceId: string, end: VmEnd = { reason: 'The virtual machine ended unexpectedly: killed by SIGKILL', failure: 'vm_exited' }): void {
    const machine = this.machines.get(workspaceId)
    if (!machine) throw new Error(`${workspaceId} does not run`)
    this.machines.delete(workspaceId)
    for (const listener of [...this.#listeners.values()].flat()) listener({ workspaceId, bootId: machine.spec.bootId }, end)
  }

  runner(): Runner {
    const host = this
    const runner: Runner = {
      host: async () => ({ accel: 'tcg', accelReason: 'in memory', vmmVersion: '0', cpus: 4, memoryMib: 16_384, diskMib: 1_000_000 }),
      addressOf: (slot) => slotNames(slot).ip,
      async boot(spec, signal) {
        if (host.machines.has(spec.workspaceId)) throw new AlcoveError('conflict', { message: 'the workspace has a live VM' })
        host.traces.add(spec.workspaceId)
        await host.knobs.onBoot?.(spec, signal)
        signal.throwIfAborted()
        if (host.machines.has(spec.workspaceId)) throw new AlcoveError('conflict', { message: 'the workspace has a live VM' })
        host.machines.set(spec.workspaceId, { spec, allowInternet: spec.allowInternet, bootedAt: Date.now() })
        host.boots.push(spec)
        return { workspaceId: spec.workspaceId, bootId: spec.bootId, startedAt: Date.now(), timings: { launch: 1 } }
      },
      async shutdown({ workspaceId }) {
        await host.knobs.onShutdown?.()
        host.machines.delete(workspaceId)
      },
      async destroy({ workspaceId }) {
        await host.knobs.onShutdown?.()
        host.machines.delete(workspaceId)
        host.traces.delete(workspaceId)
      },
      prepare: async () => {},
      adopt: async (known) =>
        known.map((vm) => ({ ...vm, state: host.knobs.adopts ?? (host.machines.get(vm.workspaceId)?.spec.bootId === vm.bootId ? 'held' : 'gone') })),
      inventory: async () => [...new Set([...host.traces, ...host.machines.keys()])],
      processes: async () => [...host.machines.values()].map(({ spec }) => ({ workspaceId: spec.workspaceId, bootId: spec.bootId })),
      async read(workspaceId) {
        const machine = host.machines.get(workspaceId)
        return machine && reading(machine)
      },
      logs: async () => 'a line\n',
      async updateNetwork(target) {
        const machine = host.machines.get(target.workspaceId)
        if (machine?.spec.bootId === target.bootId) machine.allowInternet = target.allowInternet
      },
      async verifyNetwork(wanted) {
        for (const target of wanted) await runner.updateNetwork(target)
      },
      checkHealth: async () =>
        [...host.machines.values()].map(({ spec: { workspaceId, bootId } }) => ({ workspaceId, bootId, state: host.knobs.health ?? 'ok' })),
      onExit(listener) {
        host.#listeners.set(runner, [...(host.#listeners.get(runner) ?? []), listener])
      },
      close: () => void host.#listeners.delete(runner),
    }
    return runner
  }
}

function reading({ spec, bootedAt }: Machine): VmReading {
  const uptimeSeconds = (Date.now() - bootedAt) / 1000
  const memoryTotalBytes = spec.memoryMib * 1024 ** 2
  return {
    info: {
      bootId: spec.bootId,
      kernelRelease: '0.0.0',
      kernelVersion: '#1',
      machine: 'x86_64',
      hostname: spec.hostname,
      agentVersion: '0',
      uptimeSeconds,
      cpus: spec.cpus,
      memoryTotalBytes,
      phase: 'ready',
      message: '',
      start: { state: 'none', pid: 0, exitCode: null, message: '' },
    },
    stats: {
      uptimeSeconds,
      cpuBusyMs: 0,
      cpuTotalMs: 0,
      memoryTotalBytes,
      memoryUsedBytes: memoryTotalBytes / 4,
      diskTotalBytes: spec.diskMib * 1024 ** 2,
      diskUsedBytes: 0,
    },
    cpuPercent: 0,
    rxBytes: 0,
    txBytes: 0,
  }
}
