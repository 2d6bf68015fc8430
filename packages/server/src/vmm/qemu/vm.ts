/** One live QEMU, as the child of this daemon or taken over from an earlier one: the same code serves both. */
import type { Logger } from 'pino'
import type { Clock } from '../../lib/clock.ts'
import { fail } from '../../lib/fail.ts'
import type { Step } from '../../lib/step.ts'
import { within } from '../../lib/within.ts'
import type { Vm, VmExit, VmHandle } from '../driver.ts'
import { readEvidence } from './evidence.ts'
import { judgeExit, parseShellCode, parseShutdown, unseenEnd } from './exit.ts'
import { vmPaths } from './files.ts'
import { createMonitor, type Monitor } from './monitor.ts'
import { findProcess, type LiveProcess, nsPerTick } from './proc.ts'
import { findVmm, type LauncherEnd, signalKill } from './process.ts'
import { cont, queryStatus, stop } from './qmp/commands.ts'
import { endSession } from './session.ts'

/** Pause between two looks at the process, ms; well below the 2 s in which a death must be seen. */
const watchMs = 500
/** The same once the monitor's connection broke, which is how a death is seen at once, ms. */
const suspectMs = 20

/** What a VM object needs. */
export interface VmDependencies {
  readonly handle: VmHandle
  /** Session of all its processes. */
  readonly session: number
  readonly step: Step
  readonly clock: Clock
  readonly log: Logger
  /** How the launcher ended, known for children only. */
  readonly ended?: Promise<LauncherEnd>
}

/** A VM and its monitor; the driver connects the monitor, at launch with patience, at adoption without. */
export interface ManagedVm {
  readonly vm: Vm
  readonly monitor: Monitor
}

/** Watches over a running QEMU until it is gone or released. */
export function createVm({ handle, session, step, clock, log, ended }: VmDependencies): ManagedVm {
  const vmm = { session, pid: handle.pid, startTicks: handle.startTicks }
  const released = new AbortController()
  const exit = Promise.withResolvers<VmExit>()
  let suspicion = new AbortController()
  let announced: Pick<VmExit, 'cause' | 'detail'> | undefined
  let wasKilled = false
  const monitor = createMonitor(vmPaths(handle.runDir).monitors, clock, {
    onEvent(name, data) {
      if (name === 'SHUTDOWN') announced = parseShutdown(data)
    },
    onLost: () => suspicion.abort(),
  })

  const watch = async () => {
    let quickLooks = 0
    while ((await findProcess(handle.pid))?.startTicks === handle.startTicks) {
      // A broken connection of a VM that lives on stops being suspicious after a second.
      if (suspicion.signal.aborted && ++quickLooks > 1000 / suspectMs) {
        suspicion = new AbortController()
        quickLooks = 0
      }
      const pause = suspicion.signal.aborted
        ? clock.sleep(suspectMs, released.signal)
        : clock.sleep(watchMs, AbortSignal.any([released.signal, suspicion.signal]))
      // Woken early is as good as having slept.
      await pause.catch(() => {})
      if (released.signal.aborted) return
    }
    await endSession(vmm, clock)
    monitor.close()
    exit.resolve(await judge())
  }
  const judge = async (): Promise<VmExit> => {
    const { end, ...left } = await readEvidence(handle.runDir, handle.cgroups)
    return judgeExit({ announced, wasKilled, end: end ?? (await endOfChild()) ?? unseenEnd, ...left })
  }
  // Where the host had no room for the launcher's note. A child's end is told by the event loop a moment after /proc shows it. A signal
  // that ended the launcher itself says nothing of QEMU.
  const endOfChild = async () => {
    const told = ended && (await within(clock, ended, 1000))
    return told?.exitCode == null ? undefined : parseShellCode(told.exitCode)
  }
  watch().catch((error) => {
    log.error({ err: error, workspaceId: handle.workspaceId, bootId: handle.bootId }, 'watching the VM failed')
    exit.resolve({ cause: 'lost', detail: 'the watch on it failed', ...unseenEnd })
  })

  const vm: Vm = {
    handle,
    exited: exit.promise,
    resume: () => step('vmm.resume', () => monitor.use(cont)),
    pause: () => step('vmm.pause', () => monitor.use(stop)),
    status: () => monitor.use(queryStatus),
    async kill() {
      await step('vmm.kill', async () => {
        const process = await findVmm(handle)
        if (process) wasKilled = true
        if (process) await endVmm(process, clock)
        else if (!(await endSession(vmm, clock))) hangs()
      })
      suspicion.abort()
    },
    async cpuTimeNs() {
      const process = await findProcess(handle.pid)
      if (process?.startTicks !== handle.startTicks) return fail('vm_not_running')
      return process.cpuTicks * nsPerTick
    },
    release() {
      released.abort()
      monitor.close()
    },
  }
  return { vm, monitor }
}

/** Kills a VMM that was just proved to be the right one, and waits until all that belongs to it is gone. @throws STOP_FAILED */
export async function endVmm(process: LiveProcess, clock: Clock): Promise<void> {
  await signalKill(process)
  if (!(await endSession(process, clock))) hangs()
}

const hangs = (): never => fail('STOP_FAILED', { message: 'The virtual machine does not end: it hangs in the kernel of the host.' })
