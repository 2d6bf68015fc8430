/**
 * A world to break: one real daemon with a data directory of its own, accounts with limits, and the control over its process.
 * `stub` worlds (D1) run real QEMU, taps, nft, cgroups and disks, but a kernel of eight bytes and no agent; `real` worlds (D2) boot Linux.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { loadConfig } from '../packages/server/src/config.ts'
import { createKeyCommand } from '../packages/server/src/host-commands.ts'
import { unlimited } from '../packages/server/src/tenancy/plans.ts'
import { createDaemonProcess, type DaemonFiles, enterLab, keepAccel, plainEnvironment, writeDaemonFiles } from '../test/support/daemon-process.ts'
import { startRelay } from '../test/support/daemon-relay.ts'
import type { Lab } from '../test/support/network-lab.ts'
import { writeStubKernel } from '../test/support/stub-kernel.ts'
import { type Api, createApi } from './api.ts'
import { type AuditReport, runAuditor } from './audit.ts'
import { type Converged, type ConvergeOptions, converge } from './converge.ts'
import { explainHost } from './host-view.ts'
import { Oracle } from './oracle.ts'
import { sweep } from './sweep.ts'

/** What differs from a plain world. */
export interface WorldOptions {
  /** Default `stub`. */
  readonly driver?: 'stub' | 'real'
  /** Accounts; default 1. */
  readonly tenants?: number
  /** Workspaces that each account may own; default 1000. */
  readonly limit?: number
  /** Further settings of the plan of all accounts. */
  readonly plan?: Readonly<Record<string, unknown>>
  /** Further plans by name, each with no limit but those it sets; `api(account, plan)` uses them. */
  readonly plans?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  /** Further settings of the configuration file. */
  readonly config?: Readonly<Record<string, unknown>>
  /** Environment of the daemon; `ALCOVE_FAILPOINTS: 'STEP=ACTION'` puts a fault into it. */
  readonly env?: Readonly<Record<string, string>>
  /** Runs the daemon in the host of a network lab. */
  readonly lab?: Lab
  /** Words before the command of the daemon, such as `strace …`. */
  readonly wrap?: readonly string[]
  /** Whether the daemon is started at once; default true. */
  readonly start?: boolean
}

/** A daemon and everything around it. */
export interface World {
  readonly driver: 'stub' | 'real'
  readonly files: DaemonFiles
  readonly dataDir: string
  readonly database: string
  /** Words before a command that is to see the network as the daemon does. */
  readonly inside: readonly string[]
  readonly url: string
  readonly installId: string
  /** One way to the API for each account; without `start` a figure adds them itself. */
  readonly tenants: Api[]
  /** Workspaces that each account may own. */
  readonly limit: number
  readonly oracle: Oracle
  /** Last lines of the daemon's log, of all its lives. */
  readonly log: readonly string[]
  readonly isAlive: boolean
  readonly pid: number
  /** Starts the daemon on the same port; resolves when it says that it serves, with the time since the start of the process, ms. */
  start(env?: Readonly<Record<string, string>>): Promise<number>
  /** Ends it with no chance to tidy up. */
  kill9(): Promise<void>
  /** Ends it by SIGTERM. */
  end(): Promise<void>
  /** Freezes the daemon (`SIGSTOP`), or lets it go on (`SIGCONT`). */
  signal(name: NodeJS.Signals): void
  /** Waits until nothing moves and host and rows agree. The load must rest. */
  converge(options?: ConvergeOptions): Promise<Converged>
  /** What host and rows disagree on, by our own eyes: quick, for after every kill. Empty when they agree. */
  explain(): Promise<string[]>
  /** Runs `alcove doctor --audit`. */
  audit(): Promise<AuditReport>
  /** Makes a key of an account; a new account gets the plan. */
  api(account: string, plan?: string): Promise<Api>
  /** Ends everything of it by force, once. @throws when something stays on the host */
  [Symbol.asyncDispose](): Promise<void>
}

/** Settings of every workspace that a figure makes, unless it has a reason: the smallest VM. */
export const smallest = { image: 'busybox', config: { cpus: 1, memory_mb: 128, writable_size_mb: 64 } } as const

/** The built-in plan has the limits of the host. */
const boundless = { cpus: unlimited, memory_mb: unlimited, disk_mb: unlimited }
const withoutLimits = { pool: boundless, running_pool: boundless }

/** Lines of the daemon's log that are kept. */
const keptLines = 20_000

/** Makes a world below `tempDir`. */
export async function createWorld(tempDir: string, options: WorldOptions = {}): Promise<World> {
  const { driver = 'stub', tenants: tenantCount = 1, limit = 1000, config = {}, lab, wrap } = options
  const base = await mkdtemp(join(tempDir, 'w-'))
  const plans = Object.fromEntries(
    Object.entries({ chaos: { ...options.plan, maxSandboxes: limit }, ...options.plans }).map(([name, plan]) => [name, { ...withoutLimits, ...plan }]),
  )
  const settings = { plans, defaultPlan: 'chaos', ...config }
  const daemonOptions = {
    config: settings,
    env: { ...(options.env ? { ALCOVE_TEST: '1' } : {}), ...options.env },
    ...(lab ? { lab } : {}),
    ...(wrap ? { wrap } : {}),
  }
  const files = await writeDaemonFiles(base, { ...daemonOptions, artifacts: driver === 'stub' ? await writeStubArtifacts(base) : {} })
  const { dataDir } = files
  const log: string[] = []
  const environment = { ...(driver === 'stub' ? { ALCOVE_TEST: '1', ALCOVE_TEST_GUEST: 'stub' } : {}), ...daemonOptions.env }
  const daemon = createDaemonProcess(files, { ...daemonOptions, env: environment }, log)
  const state = { url: '', installId: '' }
  const oracle = new Oracle(join(base, 'oracle.jsonl'))
  const tenants: Api[] = []
  let isSwept = false
  let relay: Awaited<ReturnType<typeof startRelay>> | undefined

  const world: World = {
    ...{ driver, files, dataDir, database: join(dataDir, 'alcove.db'), tenants, limit, oracle, log, inside: lab ? enterLab(lab, base) : [] },
    get url() {
      return state.url
    },
    get installId() {
      return state.installId
    },
    get isAlive() {
      return daemon.isAlive()
    },
    get pid() {
      return daemon.pid()
    },
    async start(env) {
      // When the run is cut off its figure goes on for a moment.
      if (isSwept) throw new Error('the world has ended')
      log.splice(0, Math.max(0, log.length - keptLines))
      const began = performance.now()
      Object.assign(state, await daemon.start(env))
      const ms = performance.now() - began
      relay ??= lab && (await startRelay(lab, base, Number(new URL(state.url).port)))
      if (relay) state.url = relay.url
      return ms
    },
    kill9: () => daemon.end('SIGKILL'),
    end: () => daemon.end('SIGTERM'),
    signal: (name) => void process.kill(daemon.pid(), name),
    converge: (more) => converge(world, more),
    explain: () => explainHost(world),
    audit: () => runAuditor(world),
    async api(account, plan = 'chaos') {
      const settings = await loadConfig({ env: plainEnvironment(), configPath: files.config, overrides: { dataDir, artifacts: files.artifacts } })
      return createApi(state.url, account, await createKeyCommand(settings, { account, plan }))
    },
    async [Symbol.asyncDispose]() {
      // A figure may end its world before the run ends all of them.
      if (isSwept) return
      isSwept = true
      oracle.close()
      if (driver === 'real') await keepAccel(files)
      await daemon.end('SIGKILL')
      await relay?.end()
      await sweep(world, lab)
      await rm(base, { recursive: true, force: true })
    },
  }
  if (options.start ?? true) {
    try {
      await world.start()
      for (let index = 0; index < tenantCount; index++) tenants.push(await world.api(`tenant-${index}`))
    } catch (error) {
      await world[Symbol.asyncDispose]()
      throw error
    }
  }
  return world
}

async function writeStubArtifacts(base: string): Promise<{ kernel: string; initrd: string }> {
  const kernel = join(base, 'kernel')
  const initrd = join(base, 'initrd')
  await writeStubKernel(kernel, 'halt')
  await writeFile(initrd, Buffer.alloc(4096), { mode: 0o644 })
  return { kernel, initrd }
}
