/** The VMM driver over QEMU. QEMU outlives the daemon; everything here can be found again from a handle. */
import type { Logger } from 'pino'
import type { Clock } from '../../lib/clock.ts'
import { fail, messageOf } from '../../lib/fail.ts'
import { once } from '../../lib/once.ts'
import type { Step } from '../../lib/step.ts'
import type { VmmDriver } from '../driver.ts'
import { createCgroups } from './cgroup.ts'
import { removeVmFiles } from './files.ts'
import { launchVm } from './launch.ts'
import { failLocked, isLocked } from './lock.ts'
import { type KvmProbe, probe } from './probe.ts'
import { readHostBootId } from './proc.ts'
import { findVmm, listVmms } from './process.ts'
import { readTscKhz } from './tsc.ts'
import { createVm, endVmm } from './vm.ts'

/** What the driver needs. */
export interface QemuDriverOptions {
  readonly installId: string
  readonly step: Step
  readonly clock: Clock
  readonly log: Logger
  /** How to try KVM, or `off` for TCG. */
  readonly kvm: KvmProbe | 'off'
  readonly qemuPath?: string
  readonly cgroupRoot?: string
}

/** Runs VMs with QEMU on this host. Needs root. */
export function createQemuDriver(options: QemuDriverOptions): VmmDriver {
  const { installId, step, clock, log, kvm, qemuPath = '/usr/bin/qemu-system-x86_64', cgroupRoot = '/sys/fs/cgroup' } = options
  const cgroups = createCgroups({ installId, root: cgroupRoot, clock })
  // A failure is not kept: QEMU may be installed meanwhile.
  const fingerprint = once(() => probe({ qemuPath, kvm, step, clock, log }))

  return {
    fingerprint,

    async launch(spec, signal) {
      const { accel } = await fingerprint()
      const accelerator = accel === 'kvm' ? { accel } : { accel, tscKhz: await readTscKhz() }
      return launchVm({ installId, step, clock, log, cgroups, qemuPath, accelerator }, spec, signal)
    },

    async attach(handle) {
      if (handle.hostBootId !== (await readHostBootId())) return undefined
      const process = await findVmm(handle)
      if (!process) return undefined
      const { vm, monitor } = createVm({ handle, session: process.session, step, clock, log })
      const where = { workspaceId: handle.workspaceId, bootId: handle.bootId }
      // A wedged VM is taken up all the same: it can be killed, and its `status` tells.
      await monitor.connect().catch((error) => log.warn({ err: error, ...where }, 'the adopted VM does not answer'))
      if (!(await isLocked(handle.lockPath))) log.error(where, 'the adopted VM does not hold its lock')
      return vm
    },

    async reclaim({ workspaceId, bootId, runDir, lockPath, cgroups: recorded }) {
      if (await isLocked(lockPath)) failLocked()
      const own = await cgroups.paths(workspaceId, bootId)
      // Only groups named after this boot are removed; one recorded elsewhere belongs to another configuration and is left to a person.
      for (const path of recorded) if (!own.includes(path)) log.warn({ workspaceId, bootId, path }, 'cgroup of another root is left alone')
      await step('vmm.cgroup.remove', () => cgroups.remove(workspaceId, bootId)).catch((error) =>
        fail('conflict', { message: `Processes of the virtual machine are still ending: ${messageOf(error)}`, cause: error }),
      )
      await step('vmm.files.remove', () => removeVmFiles(runDir))
    },

    async inventory() {
      const found = await listVmms(installId)
      return found.map(({ pid, startTicks, workspaceId, bootId }) => ({ pid, startTicks, workspaceId, bootId }))
    },

    async killProcess(found) {
      await step('vmm.kill', async () => {
        const process = await findVmm({ ...found, installId })
        if (process) await endVmm(process, clock)
      })
    },
  }
}
