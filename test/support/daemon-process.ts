/** The process of a daemon under test, and the files it is started with. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, copyFile, mkdir, symlink, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { type Artifacts, readArtifacts } from './artifacts.ts'
import { type Lab, labAddresses } from './network-lab.ts'

/** What differs from a plain daemon. */
export interface DaemonOptions {
  /** Settings of the configuration file. */
  readonly config?: Readonly<Record<string, unknown>>
  readonly env?: Readonly<Record<string, string>>
  /** Further flags of `serve`; they win. */
  readonly flags?: readonly string[]
  /** Runs it in the host of a network lab. */
  readonly lab?: Lab
  /** Words before the command, such as those of a tracer; the last of them must become the daemon for signals to reach it. */
  readonly wrap?: readonly string[]
  /** Kernel and initramfs in place of those that bootstrap built; `null` for a host where nothing was built. */
  readonly artifacts?: Partial<Pick<Artifacts, 'kernel' | 'initrd'>> | null
  /** Starts with an image cache that is empty, instead of the one that bootstrap filled. */
  readonly emptyImageCache?: boolean
  /** Called when nothing of the daemon is left. */
  readonly ended?: () => Promise<void>
}

/** Files of a daemon, all in one directory of the test. */
export interface DaemonFiles {
  readonly base: string
  readonly dataDir: string
  readonly config: string
  readonly artifacts: string
  readonly imageCache: string
}

/** A daemon as a child of this process. */
export interface DaemonProcess {
  pid(): number
  /** How the last process ended by itself; `null` while it runs and after a signal. */
  exitCode(): number | null
  isAlive(): boolean
  /** Resolves when it serves; on the same port each time. `env` is added to the environment of this life. */
  start(env?: Readonly<Record<string, string>>): Promise<{ readonly url: string; readonly installId: string }>
  end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>
}

/** The launcher under test. */
export const program = fileURLToPath(new URL('../../bin/alcove', import.meta.url))

/** Environment without anything of the caller's that Alcove reads. */
export const plainEnvironment = (): Record<string, string> => ({ PATH: process.env.PATH ?? '', HOME: homedir(), LC_ALL: 'C' })

/** What the probe for KVM found is kept between tests: it takes seconds where KVM hangs. The daemon checks that it still holds. */
const accelCache = join(homedir(), '.cache/alcove/test-accel.json')

/** Writes the files into a directory. */
export async function writeDaemonFiles(base: string, { config = {}, artifacts = {}, emptyImageCache = false, lab }: DaemonOptions): Promise<DaemonFiles> {
  const files = {
    ...{ base, dataDir: join(base, 'data'), config: join(base, 'config.yaml') },
    ...{ artifacts: join(base, 'artifacts.json'), imageCache: join(base, 'images') },
  }
  // VMs run as other users and pass through here.
  await chmod(base, 0o711)
  await mkdir(files.dataDir, { mode: 0o711 })
  // JSON is YAML.
  await writeFile(files.config, JSON.stringify(config))
  if (artifacts !== null) {
    const { kernel, initrd } = { ...(await readArtifacts()), ...artifacts }
    await writeFile(files.artifacts, JSON.stringify({ version: 1, kernel, initrd }))
    await copyFile(accelCache, join(files.dataDir, 'accel.json')).catch(ignoreMissing)
  }
  if (emptyImageCache) await mkdir(files.imageCache)
  else await symlink(join(homedir(), '.cache/alcove/images'), files.imageCache)
  if (lab) await writeFile(join(base, 'resolv.conf'), labAddresses.resolvers.map((ip) => `nameserver ${ip}\n`).join(''))
  return files
}

/** Keeps what the probe found for the next test. */
export async function keepAccel({ dataDir }: DaemonFiles): Promise<void> {
  await copyFile(join(dataDir, 'accel.json'), accelCache).catch(ignoreMissing)
}

/** Makes the process; nothing is started yet. What it prints goes to `log`, line by line. */
export function createDaemonProcess(files: DaemonFiles, { env = {}, flags: more = [], lab, wrap = [] }: DaemonOptions, log: string[]): DaemonProcess {
  let child: ChildProcess | undefined
  let listen = '127.0.0.1:0'
  const isAlive = () => child !== undefined && child.exitCode === null && child.signalCode === null
  return {
    isAlive,
    pid: () => child?.pid ?? 0,
    exitCode: () => child?.exitCode ?? null,
    async start(lifeEnv = {}) {
      const flags = ['--data-dir', files.dataDir, '--config', files.config, '--artifacts', files.artifacts, '--listen', listen, ...more]
      const [first, ...rest] = [...(lab ? enterLab(lab, files.base) : []), ...wrap, program, 'serve', ...flags] as [string, ...string[]]
      child = spawn(first, rest, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...plainEnvironment(), ...env, ...lifeEnv } })
      const served = await untilServing(child, log)
      listen = new URL(served.url).host
      return served
    },
    async end(signal) {
      if (!isAlive() || !child) return
      const closed = once(child, 'exit')
      child.kill(signal)
      await closed
    },
  }
}

/**
 * The way into a lab: its network, and its resolv.conf in a mount namespace that still shares the named network namespaces with this one.
 * Each program in the line replaces itself, so that the child is the daemon.
 */
export function enterLab(lab: Lab, base: string): string[] {
  const privately = 'mount --make-private / && { mount --make-private /etc/resolv.conf 2>/dev/null || :; }'
  const script = `${privately} && mount --bind "$1" /etc/resolv.conf && shift && exec "$@"`
  return ['unshare', '--mount', '--propagation', 'unchanged', 'sh', '-c', script, 'sh', join(base, 'resolv.conf'), ...lab.enter(lab.hostNs)]
}

function untilServing(child: ChildProcess, log: string[]): Promise<{ url: string; installId: string }> {
  return new Promise((resolve, reject) => {
    child.once('close', (code, signal) => reject(new Error(`the daemon ended with ${signal ?? code}:\n${log.slice(-20).join('\n')}`)))
    child.once('error', reject)
    for (const stream of [child.stdout, child.stderr]) {
      if (!stream) continue
      createInterface({ input: stream }).on('line', (line) => {
        log.push(line)
        if (!line.includes('"msg":"serving"')) return
        const { listen, install } = JSON.parse(line) as { listen: string[]; install: string }
        resolve({ url: listen[0] ?? '', installId: install })
      })
    }
  })
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}
