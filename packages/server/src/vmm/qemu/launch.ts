/** Starts one QEMU, or leaves nothing. */
import { access, chmod, chown, constants } from 'node:fs/promises'
import type { Logger } from 'pino'
import type { Clock } from '../../lib/clock.ts'
import { fail, messageOf } from '../../lib/fail.ts'
import type { Step } from '../../lib/step.ts'
import { UndoStack } from '../../lib/undo.ts'
import type { LaunchSpec, Vm } from '../driver.ts'
import { type Accelerator, renderArgs } from './args.ts'
import { type Cgroups, limitsOf } from './cgroup.ts'
import { createVmDirectory, launcherPath, logFileBytes, readTail, removeVmFiles, stderrBytes, vmPaths } from './files.ts'
import { createHandle } from './handle.ts'
import { failLocked, lockedExitCode, renderLocked } from './lock.ts'
import { findVmmOfSession, killLaunched, type Launcher, type LauncherEnd, spawnLauncher } from './process.ts'
import { endSession } from './session.ts'
import { createVm } from './vm.ts'

/** Time for a QEMU to answer on its monitor, ms. Takes 60 to 150 ms on an idle host. */
const launchTimeoutMs = 20_000

/** What launching needs. */
export interface LaunchDependencies {
  readonly installId: string
  readonly step: Step
  readonly clock: Clock
  readonly log: Logger
  readonly cgroups: Cgroups
  readonly qemuPath: string
  readonly accelerator: Accelerator
}

/** Starts a VM with stopped CPUs. @throws conflict when the workspace has a live VM; VM_UNAVAILABLE when QEMU does not start */
export async function launchVm(deps: LaunchDependencies, spec: LaunchSpec, signal: AbortSignal): Promise<Vm> {
  const { installId, step, clock, log, cgroups, qemuPath, accelerator } = deps
  const { workspaceId, bootId, runDir, uid } = spec
  if (!Number.isInteger(uid) || uid < 1) throw new RangeError('a VM never runs as root')
  const args = renderArgs(spec, installId, accelerator)
  signal.throwIfAborted()
  await access(qemuPath, constants.X_OK).catch((cause) => fail('VM_UNAVAILABLE', { message: 'QEMU is not installed on this host.', cause }))

  await using undo = new UndoStack((name, error) => log.error({ err: error, workspaceId, bootId, undo: name }, 'undo of a launch failed'))
  // Undone only once it is ours: another VM of the same boot must not lose its sockets.
  await step('vmm.files.create', () => createVmDirectory(runDir, spec.lockPath, uid))
  undo.push('files', () => step('vmm.files.remove', () => removeVmFiles(runDir)))
  await step('vmm.disk.own', () => own(spec.diskPath, uid))
  undo.push('cgroup', () => step('vmm.cgroup.remove', () => cgroups.remove(workspaceId, bootId)))
  const groups = await step('vmm.cgroup.create', () => cgroups.create(workspaceId, bootId, limitsOf(spec)))
  signal.throwIfAborted()

  let started: Launcher | undefined
  undo.push('process', () => step('vmm.abort', () => (started ? abort(started, clock) : Promise.resolve())))
  const argv = renderLocked(spec.lockPath, ['sh', launcherPath, 'host', ...groups, '--', qemuPath, ...args])
  const launcher = await step('vmm.spawn', async () => {
    // A step may be run twice; a second launcher would only find the lock taken.
    started ??= await spawnLauncher(argv, launcherEnvironment(spec, accelerator.accel), vmPaths(runDir).stderr)
    return started
  })

  const vm = await connect(deps, spec, groups, launcher, signal)
  undo.commit()
  return vm
}

async function connect(deps: LaunchDependencies, spec: LaunchSpec, cgroups: readonly string[], launcher: Launcher, signal: AbortSignal): Promise<Vm> {
  const { installId, step, clock, log } = deps
  const over = new AbortController()
  void launcher.ended.then((end) => over.abort(end))
  const until = AbortSignal.any([signal, over.signal, clock.deadline(launchTimeoutMs)])
  try {
    const process = await poll(clock, until, () => findVmmOfSession(launcher.pid, { ...spec, installId }))
    const handle = await createHandle({ ...spec, installId }, cgroups, process)
    const { vm, monitor } = createVm({ handle, session: launcher.pid, step, clock, log, ended: launcher.ended })
    try {
      await step('vmm.monitor.connect', () =>
        poll(clock, until, () =>
          monitor.connect(until).then(
            () => true,
            () => undefined,
          ),
        ),
      )
    } catch (error) {
      vm.release()
      throw error
    }
    return vm
  } catch (error) {
    signal.throwIfAborted()
    if (!until.aborted) throw error
    // What QEMU said comes through its log writer: complete only when that has ended too.
    if (over.signal.aborted) await endSession({ session: launcher.pid, ...launcher }, clock)
    return refuse(over.signal.aborted ? over.signal.reason : undefined, await readTail(vmPaths(spec.runDir).stderr))
  }
}

/** Translates the end of a launcher. QEMU's own words hold paths of the host, so they go to the log only, as the cause. */
function refuse(end: LauncherEnd | undefined, stderr: string): never {
  if (end?.exitCode === lockedExitCode) failLocked()
  const how = end === undefined ? `no answer in ${launchTimeoutMs} ms` : `ended with ${end.signal ?? `exit code ${end.exitCode}`}`
  fail('VM_UNAVAILABLE', { message: 'The virtual machine could not be started on this host.', cause: new Error(`QEMU ${how}: ${stderr || 'it said nothing'}`) })
}

/** Asks until there is an answer; rejects with the signal's reason. */
async function poll<T>(clock: Clock, until: AbortSignal, ask: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    until.throwIfAborted()
    const answer = await ask()
    if (answer !== undefined) return answer
    await clock.sleep(4, until)
  }
}

async function abort(launcher: Launcher, clock: Clock): Promise<void> {
  // Again and again: a process may have forked between the look and the signal.
  for (let round = 0; round < 100; round += 1) {
    if (!(await killLaunched(launcher))) return
    await clock.sleep(10)
  }
  throw new Error('processes of an aborted launch do not end')
}

async function own(diskPath: string, uid: number): Promise<void> {
  try {
    await chown(diskPath, uid, uid)
    await chmod(diskPath, 0o600)
  } catch (cause) {
    fail('VM_UNAVAILABLE', { message: `The disk of the workspace cannot be used: ${messageOf(cause)}`, cause })
  }
}

function launcherEnvironment(spec: LaunchSpec, accel: 'kvm' | 'tcg'): Readonly<Record<string, string>> {
  return {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    LC_ALL: 'C',
    VM_UID: String(spec.uid),
    VM_DIR: vmPaths(spec.runDir).vmDir,
    LOG_DIR: spec.logDir,
    STDERR_FILE: vmPaths(spec.runDir).stderr,
    EXIT_FILE: vmPaths(spec.runDir).exit,
    KERNEL: spec.kernelPath,
    INITRD: spec.initrdPath,
    IMAGE: spec.imagePath,
    DISK: spec.diskPath,
    ACCEL: accel,
    LOG_BYTES: String(logFileBytes),
    STDERR_BYTES: String(stderrBytes),
    NPROC: String(limitsOf(spec).pids),
  }
}
