/** The VMM driver over QEMU. QEMU outlives the daemon; everything here can be found again from a handle. */
import { stat } from 'node:fs/promises'
import type { Logger } from 'pino'
import type { Clock } from '../../lib/clock.ts'
import { fail, messageOf } from '../../lib/fail.ts'
import { once } from '../../lib/once.ts'
import type { Step } from '../../lib/step.ts'
import type { VmmDriver } from '../driver.ts'
import { createCgroups } from './cgroup.ts'
import { readEvidence } from './evidence.ts'
import { judgeExit, unseenEnd } from './exit.ts'
import { removeVmFiles } from './files.ts'
import { createHandle } from './handle.ts'
import { launchVm } from './launch.ts'
import { failLocked, isLocked } from './lock.ts'
import { type KvmProbe, probe } from './probe.ts'
import { findUid, readHostBootId } from './proc.ts'
import { findVmm, listVmms } from './process.ts'
import { readTscKhz } from './tsc.ts'
import { createVm, endVmm } from './vm.ts'

/** Time in which the launcher of a VMM that ended has written how, ms. */
const noteMs = 2000

/** What the driver needs. */
export interface QemuDriverOptions {
  readonly installId: string
  readonly step: Step
  readonly clock: Clock
  readonly log: Logger
  /** Users that VMs of this install run as: whoever only bears our mark is not ours. Every user when absent. */
  readonly uids?: { readonly first: number; readonly last: number }
  /** How to try KVM, or `off` for TCG. */
  readonly kvm: KvmProbe | 'off'
  readonly qemuPath?: string
  readonly cgroupRoot?: string
}

/** Runs VMs with QEMU on this host. Needs root. */
export function createQemuDriver(options: QemuDriverOptions): VmmDriver {
  const { installId, step, clock, log, kvm, uids, qemuPath = '/usr/bin/qemu-system-x86_64', cgroupRoot = '/sys/fs/cgroup' } = options
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
      // Not waited for: a wedged VM is taken up as fast as the others. It can be killed, and its `status` tells.
      monitor.connect().catch((error) => log.warn({ err: error, ...where }, 'the adopted VM does not answer'))
      void isLocked(handle.lockPath).then(
        (isHeld) => isHeld || log.error(where, 'the adopted VM does not hold its lock'),
        (error) => log.warn({ err: error, ...where }, 'could not ask for the lock of the adopted VM'),
      )
      return vm
    },

    async exitOf({ workspaceId, bootId, runDir, lockPath, cgroups: recorded, hostBootId }) {
      if (hostBootId !== undefined && hostBootId !== (await readHostBootId())) {
        return { cause: 'host_reboot', detail: 'the host was restarted', ...unseenEnd }
      }
      const groups = new Set([...recorded, ...(await cgroups.paths(workspaceId, bootId))])
      const giveUpAt = clock.monotonic() + noteMs
      for (let isWritten = false; ; ) {
        const { end, ...left } = await readEvidence(runDir, [...groups])
        if (end || isWritten) return judgeExit({ wasKilled: false, end: end ?? unseenEnd, ...left })
        // The launcher holds the lock until it has written its note; what was written meanwhile is read once more.
        isWritten = clock.monotonic() > giveUpAt || !(await isLocked(lockPath))
        if (!isWritten) await clock.sleep(50)
      }
    },

    async findHandle({ workspaceId, bootId, runDir, lockPath }) {
      const process = (await listVmms(installId, uids)).find((vmm) => vmm.workspaceId === workspaceId && vmm.bootId === bootId)
      const uid = process && (await findUid(process.pid))
      if (!process || uid === undefined) return undefined
      const joined: string[] = []
      for (const group of await cgroups.paths(workspaceId, bootId)) if (await isDirectory(group)) joined.push(group)
      return createHandle({ installId, workspaceId, bootId, uid, runDir, lockPath }, joined, process)
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
      const found = await listVmms(installId, uids)
      return found.map(({ pid, startTicks, workspaceId, bootId }) => ({ pid, startTicks, workspaceId, bootId }))
    },

    async findByUid(uid) {
      for (const { pid, startTicks, workspaceId, bootId } of await listVmms(installId, uids)) {
        if ((await findUid(pid)) === uid) return { pid, startTicks, workspaceId, bootId }
      }
      return undefined
    },

    groups: () => cgroups.list(),

    async discard({ workspaceId, bootId, runDir }) {
      const isAlive = (await listVmms(installId, uids)).some((vmm) => vmm.workspaceId === workspaceId && vmm.bootId === bootId)
      if (isAlive) failLocked()
      await step('vmm.cgroup.discard', () => cgroups.removeEmpty(workspaceId, bootId))
      await step('vmm.files.remove', () => removeVmFiles(runDir))
    },

    async killProcess(found) {
      await step('vmm.kill', async () => {
        const process = await findVmm({ ...found, installId })
        if (process) await endVmm(process, clock)
      })
    },
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isDirectory() ?? false
}
