/** A host in memory: what it holds outlives the runners that are made on it, as VMs outlive the daemon. Passes the runner suite. */
import { type Clock, systemClock } from '../../packages/server/src/lib/clock.ts'
import { AlcoveError } from '../../packages/server/src/lib/fail.ts'
import { slotNames } from '../../packages/server/src/network/slots.ts'
import type { Adoption, BootSpec, BootTraces, FoundVm, Runner, VmEnd, VmHealth, VmReading } from '../../packages/server/src/runner/runner.ts'

interface Machine {
  readonly spec: BootSpec
  allowInternet: boolean
  readonly bootedAt: number
  isPaused: boolean
}

/** How the next boots go. */
export interface Knobs {
  /** Called in the middle of each boot; rejecting fails it. */
  onBoot?: ((spec: BootSpec, signal: AbortSignal) => Promise<void>) | undefined
  /** Called before a VM is shut down. */
  onShutdown?: ((workspaceId: string) => Promise<void>) | undefined
  /** Called before a VM is frozen or let go on; rejecting fails it. */
  onPause?: ((verb: 'pause' | 'resume', workspaceId: string) => Promise<void>) | undefined
  /** Whether the inventory cannot be read. */
  inventoryFails?: boolean | undefined
  /** What adoption says of every VM, instead of the truth. */
  adopts?: Adoption['state'] | undefined
  /** How VMs that are said to be gone have ended. */
  goneEnd?: VmEnd | undefined
  /** How every VM is doing, instead of the truth. */
  health?: VmHealth['state'] | undefined
}

/** The end of a VM that somebody killed. */
export const killedEnd: VmEnd = {
  ...{ reason: 'The virtual machine was ended from outside: killed by SIGKILL', cause: 'vmm_killed', exitCode: null, signal: 'SIGKILL' },
  failure: 'vm_exited',
}
/** The end of a VM of which nothing was left. */
const lostEnd: VmEnd = { reason: 'The virtual machine ended unexpectedly', cause: 'lost', exitCode: null, signal: null, failure: 'vm_exited' }

/** The end of a VM whose host was restarted. */
const rebootEnd: VmEnd = { reason: 'The host was restarted', cause: 'host_reboot', exitCode: null, signal: null, failure: 'host_reboot' }

/** Calls that change what is on a host. */
export type HostCall = 'boot' | 'shutdown' | 'destroy' | 'discard' | 'pause' | 'resume'

/** A host that can be given to one runner after the other. */
export class MemoryHost {
  readonly machines = new Map<string, Machine>()
  /** Every call that was to change something, in order. */
  readonly calls: { readonly call: HostCall; readonly workspaceId: string }[] = []
  /** Workspaces that left something on the host. */
  readonly traces = new Set<string>()
  /** Boots that are over and left something on the host. */
  readonly leftOvers: BootTraces[] = []
  /** What was removed of single boots, in order. */
  readonly discarded: BootTraces[] = []
  readonly knobs: Knobs = {}
  /** Boots that succeeded, in order. */
  readonly boots: BootSpec[] = []
  readonly #listeners = new Map<Runner, ((vm: FoundVm, end: VmEnd) => void)[]>()
  readonly #clock: Pick<Clock, 'now'>

  constructor(clock: Pick<Clock, 'now'> = systemClock) {
    this.#clock = clock
  }

  /** Ends everything that runs, as a restart of the host does: nobody is left who could be told. */
  reboot(): void {
    this.machines.clear()
    this.knobs.goneEnd = rebootEnd
  }

  /** Ends a VM as if it had died. */
  crash(workspaceId: string, end: VmEnd = killedEnd): void {
    const machine = this.machines.get(workspaceId)
    if (!machine) throw new Error(`${workspaceId} does not run`)
    this.machines.delete(workspaceId)
    for (const listener of [...this.#listeners.values()].flat()) listener({ workspaceId, bootId: machine.spec.bootId }, end)
  }

  async #freeze(workspaceId: string, bootId: string, isPaused: boolean): Promise<void> {
    this.calls.push({ call: isPaused ? 'pause' : 'resume', workspaceId })
    await this.knobs.onPause?.(isPaused ? 'pause' : 'resume', workspaceId)
    const machine = this.machines.get(workspaceId)
    if (machine?.spec.bootId !== bootId) throw new AlcoveError('vm_not_running')
    machine.isPaused = isPaused
  }

  runner(): Runner {
    const host = this
    const runner: Runner = {
      host: async () => ({ accel: 'tcg', accelReason: 'in memory', vmmVersion: '0', cpus: 4, memoryMib: 16_384, diskMib: 1_000_000 }),
      addressOf: (slot) => slotNames(slot).ip,
      async boot(spec, signal) {
        host.calls.push({ call: 'boot', workspaceId: spec.workspaceId })
        if (host.machines.has(spec.workspaceId)) throw new AlcoveError('conflict', { message: 'the workspace has a live VM' })
        host.traces.add(spec.workspaceId)
        await host.knobs.onBoot?.(spec, signal)
        signal.throwIfAborted()
        if (host.machines.has(spec.workspaceId)) throw new AlcoveError('conflict', { message: 'the workspace has a live VM' })
        host.machines.set(spec.workspaceId, { spec, allowInternet: spec.allowInternet, bootedAt: host.#clock.now(), isPaused: false })
        host.boots.push(spec)
        return { workspaceId: spec.workspaceId, bootId: spec.bootId, startedAt: host.#clock.now(), timings: { launch: 1 } }
      },
      async shutdown({ workspaceId }) {
        host.calls.push({ call: 'shutdown', workspaceId })
        await host.knobs.onShutdown?.(workspaceId)
        host.machines.delete(workspaceId)
      },
      async destroy({ workspaceId }) {
        host.calls.push({ call: 'destroy', workspaceId })
        await host.knobs.onShutdown?.(workspaceId)
        host.machines.delete(workspaceId)
        host.traces.delete(workspaceId)
      },
      prepare: async () => {},
      adopt: async (known) =>
        known.map(({ workspaceId, bootId }): Adoption => {
          const lives = host.machines.get(workspaceId)?.spec.bootId
          const state = host.knobs.adopts ?? (lives === bootId ? 'held' : lives === undefined ? 'gone' : 'unknown')
          return state === 'gone' ? { workspaceId, bootId, state, end: host.knobs.goneEnd ?? lostEnd } : { workspaceId, bootId, state }
        }),
      pause: (workspaceId, bootId) => host.#freeze(workspaceId, bootId, true),
      resume: (workspaceId, bootId) => host.#freeze(workspaceId, bootId, false),
      async inventory() {
        if (host.knobs.inventoryFails) throw new Error('the host cannot be looked at')
        const boots = [...host.machines.values()].map(({ spec: { workspaceId, bootId, slot } }) => ({ workspaceId, bootId, slots: [slot] }))
        return { workspaces: [...new Set([...host.traces, ...host.machines.keys()])], boots: [...boots, ...host.leftOvers] }
      },
      async discard({ workspaceId, bootId, slots }) {
        host.calls.push({ call: 'discard', workspaceId })
        host.discarded.push({ workspaceId, bootId, slots })
        const at = host.leftOvers.findIndex((left) => left.bootId === bootId)
        if (at >= 0) host.leftOvers.splice(at, 1)
        if (host.machines.get(workspaceId)?.spec.bootId === bootId) host.machines.delete(workspaceId)
      },
      processes: async () => [...host.machines.values()].map(({ spec }) => ({ workspaceId: spec.workspaceId, bootId: spec.bootId })),
      async read(workspaceId) {
        const machine = host.machines.get(workspaceId)
        return machine && !machine.isPaused ? reading(machine, host.#clock.now()) : undefined
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
        [...host.machines.values()].map(({ spec: { workspaceId, bootId }, isPaused }) => ({
          ...{ workspaceId, bootId },
          state: host.knobs.health ?? (isPaused ? 'paused' : 'ok'),
        })),
      onExit(listener) {
        host.#listeners.set(runner, [...(host.#listeners.get(runner) ?? []), listener])
      },
      close: () => void host.#listeners.delete(runner),
    }
    return runner
  }
}

function reading({ spec, bootedAt }: Machine, now: number): VmReading {
  const uptimeSeconds = (now - bootedAt) / 1000
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
