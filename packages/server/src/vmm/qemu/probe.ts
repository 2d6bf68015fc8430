/** Finds out whether this host's KVM really runs guests. A device that opens proves nothing: guests may hang on their first instructions. */
import { access, constants } from 'node:fs/promises'
import type { Logger } from 'pino'
import type { Clock } from '../../lib/clock.ts'
import { fail, messageOf } from '../../lib/fail.ts'
import { findFile, writeFileDurably } from '../../lib/files.ts'
import type { Step } from '../../lib/step.ts'
import { run, runAny } from '../../lib/subprocess.ts'
import type { Fingerprint } from '../driver.ts'
import { readHostBootId } from './proc.ts'

/** Time for the guest kernel to reach user space under KVM, ms; it takes below 300 where KVM works. */
const markerTimeoutMs = 5000
/** What the kernel says once its own start is done. */
const marker = /Run \/init as init process/

/** What the probe boots, and where it remembers the result. */
export interface KvmProbe {
  /** Kernel and initramfs of the guests. */
  readonly bootFiles: () => Promise<{ readonly kernelPath: string; readonly initrdPath: string }>
  /** File for the result, valid for one boot of the host and one version of QEMU. */
  readonly cachePath: string
}

/** What probing needs. */
export interface ProbeDependencies {
  readonly qemuPath: string
  /** `off`: TCG without asking. */
  readonly kvm: KvmProbe | 'off'
  readonly step: Step
  readonly clock: Clock
  readonly log: Logger
}

/** Chooses the accelerator. @throws VM_UNAVAILABLE when QEMU does not run at all */
export async function probe({ qemuPath, kvm, step, clock, log }: ProbeDependencies): Promise<Fingerprint> {
  const version = await readVersion(qemuPath)
  if (kvm === 'off') return { accel: 'tcg', reason: 'KVM is switched off', version }
  const hostBootId = await readHostBootId()
  const known = parseCache(await findFile(kvm.cachePath), hostBootId, version)
  if (known) return known
  const found: Fingerprint = { ...(await step('vmm.probe', () => tryKvm(qemuPath, kvm, clock))), version }
  log.info(found, 'accelerator probed')
  await step('vmm.probe.remember', () => writeFileDurably(kvm.cachePath, JSON.stringify({ format: 1, hostBootId, ...found })))
  return found
}

async function readVersion(qemuPath: string): Promise<string> {
  try {
    const text = await run([qemuPath, '--version'], { timeoutMs: 10_000, maxBytes: 4096 })
    return /version (\d+\.\d+\.\d+)/.exec(text)?.[1] ?? 'unknown'
  } catch (cause) {
    return fail('VM_UNAVAILABLE', { message: 'QEMU does not run on this host.', cause })
  }
}

function parseCache(text: string | undefined, hostBootId: string, version: string): Fingerprint | undefined {
  let cache: Record<string, unknown>
  try {
    cache = Object(JSON.parse(text ?? '{}'))
  } catch {
    // A damaged cache is as good as none.
    return undefined
  }
  const { accel, reason } = cache
  if (cache.format !== 1 || cache.hostBootId !== hostBootId || cache.version !== version) return undefined
  return (accel === 'kvm' || accel === 'tcg') && typeof reason === 'string' ? { accel, reason, version } : undefined
}

async function tryKvm(qemuPath: string, { bootFiles }: KvmProbe, clock: Clock): Promise<Pick<Fingerprint, 'accel' | 'reason'>> {
  const unusable = await access('/dev/kvm', constants.R_OK | constants.W_OK).then(
    () => undefined,
    (error) => messageOf(error),
  )
  if (unusable) return { accel: 'tcg', reason: `KVM cannot be opened: ${unusable}` }
  const startedAt = clock.monotonic()
  const reached = new AbortController()
  const { kernelPath, initrdPath } = await bootFiles()
  const args = ['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot', '-M', 'microvm,acpi=off,pit=on,pic=on,rtc=on,isa-serial=on']
  args.push('-accel', 'kvm', '-cpu', 'host', '-m', '256M', '-serial', 'stdio', '-kernel', kernelPath, '-initrd', initrdPath)
  args.push('-append', 'console=ttyS0 reboot=t panic=-1', '-sandbox', 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny')
  try {
    // Our own kernel and nothing of a user's: root without capabilities will do, for the device is root's.
    const { stderr, exitCode } = await runAny(['setpriv', '--bounding-set=-all', '--inh-caps=-all', '--no-new-privs', qemuPath, ...args], {
      timeoutMs: markerTimeoutMs,
      maxBytes: 64 * 1024,
      signal: reached.signal,
      onLine: (line) => marker.test(line) && reached.abort(),
    })
    return { accel: 'tcg', reason: `a guest under KVM ended before it reached user space: exit code ${exitCode} ${stderr.trim().slice(-300)}`.trim() }
  } catch {
    if (reached.signal.aborted) return { accel: 'kvm', reason: `a guest reached user space under KVM in ${Math.round(clock.monotonic() - startedAt)} ms` }
    // The one other way to reject: too late.
    return { accel: 'tcg', reason: `a guest under KVM did not reach user space in ${markerTimeoutMs} ms` }
  }
}
