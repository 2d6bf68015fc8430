/**
 * One boot, as a flat list of steps. Each step that acquires something pushes its release on the next line; a failure or an abort
 * unwinds all of them. The only place where image, disk, VMM, network and guest meet.
 */
import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import type { ConnectGuest, GuestClient, GuestConfiguration } from '../guest/guest.ts'
import type { DiskStore, ImageObject, ImageStore } from '../image/images.ts'
import type { Clock } from '../lib/clock.ts'
import { fail } from '../lib/fail.ts'
import { ensureDirectory } from '../lib/files.ts'
import type { Logger } from '../lib/log.ts'
import type { Step } from '../lib/step.ts'
import { UndoStack } from '../lib/undo.ts'
import type { Network } from '../network/network.ts'
import type { Vm, VmExit, VmmDriver } from '../vmm/driver.ts'
import { bootError } from './boot-error.ts'
import type { BootFiles } from './boot-files.ts'
import { endWithin } from './end-within.ts'
import { refuseWithoutDisk, refuseWithoutMemory } from './host-capacity.ts'
import { workspacePaths } from './paths.ts'
import { writeRecord, writeSpecCopy } from './record.ts'
import { refuseTakenSlot } from './refuse-taken-slot.ts'
import { removeRuns } from './remove-runs.ts'
import type { BootSpec } from './runner.ts'
import { resolveStart } from './start-command.ts'

/** What booting uses. */
export interface BootDependencies {
  readonly installId: string
  readonly dataDir: string
  readonly bootFiles: () => Promise<BootFiles>
  /** First unprivileged user id of this install; a VM runs as this plus its slot. */
  readonly uidBase: number
  /** Time a VM has from its launch to the end of its boot, ms. */
  readonly bootTimeoutMs: number
  readonly vmm: VmmDriver
  /** Memory that the host could still give, MiB. */
  readonly availableMemoryMib: () => Promise<number>
  /** Space left for the data directory, MiB. */
  readonly freeDiskMib: () => Promise<number>
  /** Space that no new boot may take, MiB. */
  readonly minFreeDiskMib: number
  readonly images: ImageStore
  readonly disks: DiskStore
  readonly network: Network
  readonly connectGuest: ConnectGuest
  readonly clock: Clock
  readonly step: Step
  readonly log: Logger
}

/** A VM whose agent has answered. */
export interface Booted {
  readonly vm: Vm
  readonly guest: GuestClient
  /** When the guest's kernel started, ms since the epoch. */
  readonly startedAt: number
  readonly timings: Record<string, number>
  /** Settles when disk, network and start command are up, or could not be brought up. */
  readonly initialized: Promise<void>
}

/** Boots a VM. @throws VM_UNAVAILABLE START_FAILED IMAGE_UNAVAILABLE storage_full */
export async function boot(deps: BootDependencies, spec: BootSpec, signal: AbortSignal): Promise<Booted> {
  const { vmm, images, disks, network, connectGuest, clock } = deps
  const paths = workspacePaths(deps.dataDir, spec.workspaceId)
  const runDir = paths.run(spec.bootId)
  const lease = { workspaceId: spec.workspaceId, bootId: spec.bootId, slot: spec.slot, allowInternet: spec.allowInternet }
  const timings: Record<string, number> = {}
  const timed = timedStep(deps, timings)
  let launched: Vm | undefined
  let connected: GuestClient | undefined
  await using undo = new UndoStack((name, error) => deps.log.error({ workspaceId: spec.workspaceId, undo: name, err: error }, 'could not undo'))

  try {
    undo.push('files', () => removeRuns(deps, spec.workspaceId, { version: 1, spec, handle: launched?.handle ?? null }))
    await timed('space', () => refuseWithoutDisk(deps.freeDiskMib, deps.minFreeDiskMib))
    await timed('record', async () => {
      await makeDirectories(paths, runDir)
      await writeRecord(paths.record, { version: 1, spec, handle: null })
      await writeSpecCopy(runDir, spec)
    })
    if (!spec.keepLogs) await timed('logs', () => rm(paths.logs, { recursive: true, force: true }).then(() => ensureDirectory(paths.logs, 0o711)))
    await timed('memory', () => refuseWithoutMemory(deps.availableMemoryMib, spec.memoryMib))
    const [image, files] = await allOver([
      timed('image', () => images.get(spec.imageDigest)),
      timed('files', deps.bootFiles),
      timed('disk', () => disks.ensure(paths.disk, spec.diskMib * 1024 * 1024)),
      timed('slot', () => refuseTakenSlot(deps, spec)),
    ])
    signal.throwIfAborted()

    const mac = network.guestConfig(lease).mac
    // A step may run twice; a second VM would only find the lock of the workspace taken.
    const vm = await timed('launch', async () => (launched ??= await vmm.launch(launchSpec(deps, spec, runDir, image, files, mac), signal)))
    undo.push('vm', () => vm.kill())
    await timed('handle', () => writeRecord(paths.record, { version: 1, spec, handle: vm.handle }))
    // The kernel starts meanwhile: until the tap is moved and opened it ends in an empty namespace, and the guest has no address yet.
    const attached = timed('network', () => network.attach(lease, vm.handle.pid)).catch((error) => blameEnd(clock, vm, error))
    undo.push('network', () => settled(attached).then(() => network.detach(lease)))
    const living = AbortSignal.any([signal, clock.deadline(deps.bootTimeoutMs), gone(vm), failed(attached)])
    await timed('resume', () => vm.resume())
    const guest = await timed('agent', async () => (connected ??= await connectGuest(vm.handle.agentSocket, { signal: living })))
    undo.push('guest', async () => guest.close())
    const info = await guest.info(living)
    await attached
    const startedAt = Math.round(clock.now() - info.uptimeSeconds * 1000)
    const initialized = timed('init', () => initialize(guest, configuration(deps, spec, image), living))
    if (spec.waitForInit) await initialized
    else initialized.catch(() => {}) // Its owner is whoever holds `Booted`; this only keeps Node from calling it unhandled meanwhile.
    signal.throwIfAborted()
    undo.commit()
    return { vm, guest, startedAt, timings, initialized }
  } catch (error) {
    throw await bootError(error, { signal, bootTimeoutMs: deps.bootTimeoutMs, logs: launched && paths.logs, freeDiskMib: deps.freeDiskMib, log: deps.log })
  }
}

/** What the agent is told; the same for a boot and for a VM that was found unconfigured. */
export function configuration(deps: Pick<BootDependencies, 'network' | 'clock'>, spec: BootSpec, image: ImageObject): GuestConfiguration {
  return {
    bootId: spec.bootId,
    hostname: spec.hostname,
    timeMs: deps.clock.now(),
    entropy: randomBytes(64).toString('base64'),
    machineId: randomBytes(16).toString('hex'),
    network: deps.network.guestConfig(spec),
    start: resolveStart(spec, image.config),
  }
}

/** Configures the guest. @throws START_FAILED when it says it could not. */
export async function initialize(guest: GuestClient, config: GuestConfiguration, signal: AbortSignal): Promise<void> {
  const info = await guest.configure(config, signal)
  if (info.phase !== 'ready') fail('START_FAILED', { message: `The virtual machine could not be initialised: ${info.message || info.phase}` })
}

async function makeDirectories(paths: ReturnType<typeof workspacePaths>, runDir: string): Promise<void> {
  await ensureDirectory(paths.root, 0o711)
  await ensureDirectory(paths.logs, 0o711)
  await ensureDirectory(paths.runs, 0o711)
  await rm(runDir, { recursive: true, force: true })
  await ensureDirectory(runDir, 0o700)
}

function launchSpec(deps: BootDependencies, spec: BootSpec, runDir: string, image: ImageObject, files: BootFiles, mac: string) {
  const paths = workspacePaths(deps.dataDir, spec.workspaceId)
  return {
    installId: deps.installId,
    workspaceId: spec.workspaceId,
    bootId: spec.bootId,
    runDir,
    logDir: paths.logs,
    lockPath: paths.lock,
    uid: deps.uidBase + spec.slot,
    cpus: spec.cpus,
    memoryMib: spec.memoryMib,
    ...files,
    imagePath: image.rootfsPath,
    diskPath: paths.disk,
    mac,
  }
}

/** Runs a step and notes how long it took, ms. */
function timedStep({ step, clock }: Pick<BootDependencies, 'step' | 'clock'>, timings: Record<string, number>) {
  return async <T>(name: string, fn: () => Promise<T>): Promise<T> => {
    const began = clock.monotonic()
    try {
      return await step(`boot.${name}`, fn)
    } finally {
      timings[name] = Math.round((clock.monotonic() - began) * 10) / 10
    }
  }
}

/** The results of all; rejects with the first failure, but not before every one is over: what still runs could not be undone. */
async function allOver<T extends readonly unknown[]>(all: readonly [...{ [K in keyof T]: Promise<T[K]> }]): Promise<T> {
  await Promise.allSettled(all)
  return Promise.all(all) as unknown as Promise<T>
}

/** Waits for the end of something, however it ends. */
async function settled(outcome: Promise<unknown>): Promise<void> {
  await outcome.catch(() => {})
}

/** A signal that aborts when something fails. */
function failed(outcome: Promise<unknown>): AbortSignal {
  const controller = new AbortController()
  outcome.catch((error) => controller.abort(error))
  return controller.signal
}

/** A signal that aborts when the VM ends. */
function gone(vm: Vm): AbortSignal {
  const controller = new AbortController()
  void vm.exited.then((exit) => controller.abort(endOf(exit)))
  return controller.signal
}

/** Raises what went wrong: that the VM ended, if it did, and not what failed for want of it. */
async function blameEnd(clock: Clock, vm: Vm, error: unknown): Promise<never> {
  const exit = await endWithin(clock, vm)
  throw exit ? endOf(exit) : error
}

function endOf(exit: VmExit): Error {
  return new Error(`the virtual machine ended: ${exit.detail}`)
}
