/** Checks what this host needs, and says how to mend what is missing. Changes nothing. */
import { constants } from 'node:fs'
import { access, readFile, statfs } from 'node:fs/promises'
import { arch, platform } from 'node:os'
import { dirname } from 'node:path'
import { type CensusReport, census } from './audit/census.ts'
import type { Config } from './config.ts'
import { messageOf } from './lib/fail.ts'
import { findFile } from './lib/files.ts'
import { run } from './lib/subprocess.ts'
import { readArtifacts } from './runner/boot-files.ts'

/** Outcome of one check. */
export interface DoctorCheck {
  readonly name: string
  readonly ok: boolean
  /** What is there. */
  readonly found: string
  /** Command or change that mends it; absent when all is well. */
  readonly fix?: string
}

/** Outcome of all checks. */
export interface DoctorReport {
  readonly ok: boolean
  readonly checks: readonly DoctorCheck[]
}

/** Smallest free space below which images and disks will not fit, bytes. */
const roomBytes = 4 * 1024 ** 3

interface Requirement {
  readonly name: string
  readonly fix: string
  /** Says what is there. @throws when it is not good enough */
  readonly look: () => Promise<string>
}

/** Runs all checks. */
export async function doctor(config: Config): Promise<DoctorReport> {
  const checks = await Promise.all(requirements(config).map(check))
  return { ok: checks.every(({ ok }) => ok), checks }
}

/**
 * Compares kernel, disk and database of the installation, whether its daemon runs or not. Changes nothing.
 * @param isSettled nobody asks anything of the daemon, so nothing may be under way
 * @throws service_unavailable not_found
 */
export async function audit({ dataDir, database, listen }: Config, isSettled: boolean): Promise<CensusReport> {
  const text = await findFile(`${dataDir}/credentials.json`)
  return census({ dataDir, database, listen, isSettled, credentials: text === undefined ? [] : [JSON.parse(text)] })
}

async function check({ name, fix, look }: Requirement): Promise<DoctorCheck> {
  try {
    return { name, ok: true, found: await look() }
  } catch (error) {
    return { name, ok: false, found: messageOf(error), fix }
  }
}

function requirements(config: Config): Requirement[] {
  const bootstrap = 'script/bootstrap'
  return [
    { name: 'system', fix: 'use a Linux x86-64 host', look: async () => expect(`${platform()} ${arch()}`, platform() === 'linux' && arch() === 'x64') },
    {
      name: 'user',
      fix: 'run as root: the daemon makes namespaces, taps and users for its virtual machines',
      look: async () => expect(`uid ${process.getuid?.()}`, process.getuid?.() === 0),
    },
    { name: 'node', fix: bootstrap, look: async () => expect(process.version, isNewEnough(process.versions.node)) },
    ...(['qemu-system-x86_64', 'nft', 'ip', 'setpriv', 'unshare', 'nsenter', 'flock', 'mkfs.ext4', 'mkfs.erofs', 'conntrack'] as const).map((program) =>
      tool(program, bootstrap),
    ),
    { name: 'tun', fix: 'modprobe tun', look: () => access('/dev/net/tun', constants.R_OK | constants.W_OK).then(() => '/dev/net/tun') },
    { name: 'guest kernel and agent', fix: bootstrap, look: () => artifacts(config.artifacts) },
    {
      name: 'accelerator',
      fix: 'none needed: virtual machines run under software emulation; for hardware isolation use a host with working KVM',
      look: () => accelerator(config.dataDir),
    },
    { name: 'cgroups', fix: 'mount cgroup2 at /sys/fs/cgroup; without it memory and CPU of virtual machines are not limited on the host', look: cgroups },
    { name: 'room on disk', fix: `free space at ${config.dataDir}, or choose another --data-dir`, look: () => room(config.dataDir) },
    { name: 'KSM', fix: 'echo 2 > /sys/kernel/mm/ksm/run: merged pages let one guest learn of another', look: ksm },
  ]
}

function tool(program: string, fix: string): Requirement {
  return {
    name: program,
    fix,
    look: async () => (await run(['sh', '-c', 'command -v "$1"', 'sh', program]).catch(() => expect('not installed', false))).trim(),
  }
}

async function artifacts(path: string): Promise<string> {
  const { kernel, initrd } = await readArtifacts(path)
  for (const file of [kernel, initrd]) await access(file, constants.R_OK)
  return path
}

/** What the daemon found out by booting a guest; told, not tried again. */
async function accelerator(dataDir: string): Promise<string> {
  const text = await readFile(`${dataDir}/accel.json`, 'utf8').catch(() => undefined)
  if (text !== undefined) {
    const { accel, reason } = JSON.parse(text) as Record<string, unknown>
    return `${accel}: ${String(reason).split('\n', 1)[0]}`
  }
  return (await access('/dev/kvm').then(
    () => true,
    () => false,
  ))
    ? '/dev/kvm is there; the daemon tries it with a real guest when it starts'
    : 'no /dev/kvm: software emulation'
}

async function cgroups(): Promise<string> {
  const mounts = (await readFile('/proc/self/mounts', 'utf8')).split('\n').filter((line) => / cgroup2? /.test(line))
  return expect(mounts.length > 0 ? `${mounts.length} hierarchies` : 'none', mounts.length > 0)
}

async function room(dataDir: string): Promise<string> {
  let path = dataDir
  while (
    !(await access(path).then(
      () => true,
      () => false,
    ))
  )
    path = dirname(path)
  const { bavail, bsize } = await statfs(path)
  return expect(`${Math.floor((bavail * bsize) / 1024 ** 3)} GiB free`, bavail * bsize >= roomBytes)
}

async function ksm(): Promise<string> {
  const state = (await readFile('/sys/kernel/mm/ksm/run', 'utf8').catch(() => '0')).trim()
  return expect(state === '1' ? 'on' : 'off', state !== '1')
}

function isNewEnough(found: string): boolean {
  const [major = 0, minor = 0] = found.split('.').map(Number)
  return major > 22 || (major === 22 && minor >= 18)
}

function expect(found: string, ok: boolean): string {
  if (!ok) throw new Error(found)
  return found
}
