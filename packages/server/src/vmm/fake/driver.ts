/** A VMM driver without virtual machines, for tests of what stands above it. Passes the conformance suite of the real one. */
import { randomInt } from 'node:crypto'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { ErrorCode } from '@alcove/contract'
import type { Clock } from '../../lib/clock.ts'
import { fail } from '../../lib/fail.ts'
import type { Step } from '../../lib/step.ts'
import type { Vm, VmExit, VmHandle, VmmDriver } from '../driver.ts'
import { type FakeStore, type FakeVmState, openFakeStore } from './state.ts'

/** What shall go wrong; may be changed at any time. */
export interface FakeKnobs {
  /** Launches fail with this code. */
  launchError?: ErrorCode
  /** Launches take this long, ms. */
  launchMs?: number
  /** Attaching takes this long, ms. */
  attachMs?: number
  /** The inventory cannot be read. */
  inventoryError?: Error
}

/** A fake driver and its knobs. */
export interface FakeDriver extends VmmDriver {
  readonly knobs: FakeKnobs
  /** Ends a VM from inside or outside. */
  end(bootId: string, exit: VmExit): void
  /** Makes a VM stop answering. */
  wedge(bootId: string): void
  /** Sets the run state of a VM, as a host without room would. */
  setStatus(bootId: string, status: FakeVmState['status']): void
}

/** What the fake needs. Drivers on the same `stateDir` share their VMs, as daemons on one host do. */
export interface FakeDriverOptions {
  readonly installId: string
  readonly stateDir: string
  readonly step: Step
  readonly clock: Clock
  readonly knobs?: FakeKnobs
}

/** Host boot id of all fake VMs. */
const hostBootId = 'fake-host-boot'
/** Time after which a wedged VM's status is given up, ms. */
const statusTimeoutMs = 200
/** Pause between two looks at a VM, ms. */
const watchMs = 10

/** Makes a fake driver. */
export function createFakeDriver({ installId, stateDir, step, clock, knobs = {} }: FakeDriverOptions): FakeDriver {
  const store = openFakeStore(stateDir)
  const findLive = (handle: Pick<VmHandle, 'bootId' | 'pid' | 'startTicks'>) => {
    const state = store.find(handle.bootId)
    const isSame = state?.handle.pid === handle.pid && state.handle.startTicks === handle.startTicks && state.handle.installId === installId
    return isSame && state.exit === null ? state : undefined
  }
  return {
    knobs,
    end: (bootId, exit) => store.change(bootId, { exit }),
    wedge: (bootId) => store.change(bootId, { isWedged: true }),
    setStatus: (bootId, status) => store.change(bootId, { status }),

    fingerprint: async () => ({ accel: 'tcg', reason: 'the fake runs nothing', version: '0.0.0' }),

    async launch(spec, signal) {
      signal.throwIfAborted()
      await clock.sleep(knobs.launchMs ?? 0, signal)
      if (knobs.launchError) fail(knobs.launchError)
      const { workspaceId, bootId, uid, runDir, lockPath } = spec
      const vmDir = join(runDir, 'vm')
      // Above the kernel's highest pid, so that nothing real is ever meant.
      const process = { pid: 5_000_000 + randomInt(1_000_000_000), startTicks: randomInt(1_000_000_000) }
      const agentSocket = join(vmDir, 'agent.sock')
      const handle: VmHandle = { version: 1, installId, workspaceId, bootId, hostBootId, ...process, uid, runDir, agentSocket, lockPath, cgroups: [] }
      let isStarted: boolean | undefined
      // A step may be run twice; a second VM would only find the lock taken.
      await step('vmm.spawn', async () => {
        isStarted ??= store.start({ handle, status: 'prelaunch', isWedged: false, exit: null })
      })
      if (!isStarted) fail('conflict', { message: 'A virtual machine of this workspace is still running.' })
      await mkdir(vmDir, { recursive: true })
      return createFakeVm(handle, store, step, clock)
    },

    async attach(handle) {
      await clock.sleep(knobs.attachMs ?? 0)
      return handle.hostBootId === hostBootId && findLive(handle) ? createFakeVm(handle, store, step, clock) : undefined
    },

    async exitOf(handle) {
      if (handle.hostBootId !== undefined && handle.hostBootId !== hostBootId) return hostRebooted
      return readExit(store.find(handle.bootId)) ?? { ...hostRebooted, cause: 'lost', detail: 'it has not ended' }
    },

    async findHandle({ workspaceId, bootId }) {
      const state = store.find(bootId)
      return state?.exit === null && state.handle.workspaceId === workspaceId && state.handle.installId === installId ? state.handle : undefined
    },

    async reclaim({ bootId, runDir, lockPath }) {
      if (store.isLocked(lockPath)) fail('conflict', { message: 'A virtual machine of this workspace is still running.' })
      await step('vmm.files.remove', async () => {
        await rm(join(runDir, 'vm'), { recursive: true, force: true })
        store.remove(bootId)
      })
    },

    async inventory() {
      if (knobs.inventoryError) throw knobs.inventoryError
      const live = store.list().filter(({ handle, exit }) => exit === null && handle.installId === installId)
      return live.map(({ handle: { pid, startTicks, workspaceId, bootId } }) => ({ pid, startTicks, workspaceId, bootId }))
    },

    async findByUid(uid) {
      const found = store.list().find(({ handle, exit }) => exit === null && handle.installId === installId && handle.uid === uid)
      return found && { pid: found.handle.pid, startTicks: found.handle.startTicks, workspaceId: found.handle.workspaceId, bootId: found.handle.bootId }
    },

    groups: async () => [],

    async discard({ bootId, runDir }) {
      const state = store.find(bootId)
      if (state && readExit(state) === null) fail('conflict', { message: 'A virtual machine of this workspace is still running.' })
      await step('vmm.files.remove', async () => {
        await rm(join(runDir, 'vm'), { recursive: true, force: true })
        store.remove(bootId)
      })
    },

    async killProcess(found) {
      await step('vmm.kill', async () => {
        if (findLive(found)) store.change(found.bootId, { exit: killed })
      })
    },
  }
}

const killed: VmExit = { cause: 'killed', detail: 'killed on request', exitCode: null, signal: 'SIGKILL' }
const hostRebooted: VmExit = { cause: 'host_reboot', detail: 'the host was restarted', exitCode: null, signal: null }

function createFakeVm(handle: VmHandle, store: FakeStore, step: Step, clock: Clock): Vm {
  const released = new AbortController()
  const exit = Promise.withResolvers<VmExit>()
  const startedAt = clock.monotonic()
  const watch = async () => {
    for (;;) {
      const ended = readExit(store.find(handle.bootId))
      if (ended) return exit.resolve(ended)
      await clock.sleep(watchMs, released.signal)
    }
  }
  // Only the release makes it reject.
  watch().catch(() => {})

  const answer = async (): Promise<FakeVmState> => {
    const state = store.find(handle.bootId)
    if (!state || state.exit) return fail('VM_UNAVAILABLE', { message: 'The virtual machine monitor does not answer.' })
    if (!state.isWedged) return state
    await clock.sleep(statusTimeoutMs)
    return fail('VM_UNAVAILABLE', { message: 'The virtual machine monitor does not answer.' })
  }
  return {
    handle,
    exited: exit.promise,
    resume: () =>
      step('vmm.resume', async () => {
        await answer()
        store.change(handle.bootId, { status: 'running' })
      }),
    pause: () =>
      step('vmm.pause', async () => {
        await answer()
        store.change(handle.bootId, { status: 'paused' })
      }),
    status: async () => (await answer()).status,
    kill: () => step('vmm.kill', async () => store.change(handle.bootId, { exit: killed })),
    async cpuTimeNs() {
      if (readExit(store.find(handle.bootId))) return fail('vm_not_running')
      return Math.round((clock.monotonic() - startedAt) * 1e6)
    },
    release: () => released.abort(),
  }
}

/** A VM whose file is gone has ended, too. */
function readExit(state: FakeVmState | undefined): VmExit | null {
  return state === undefined ? { cause: 'lost', detail: 'its state is gone', exitCode: null, signal: null } : state.exit
}
