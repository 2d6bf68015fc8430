/** A host for local runners: real files, the fake VMM, fake agents and a network in memory. It outlives the runners on it. */
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connectGuest } from '../../packages/server/src/guest/client.ts'
import { type FakeAgent, type FakeKnobs, startFakeAgent } from '../../packages/server/src/guest/fake/agent.ts'
import type { ConnectGuest } from '../../packages/server/src/guest/guest.ts'
import type { ImageObject, ImageStore } from '../../packages/server/src/image/images.ts'
import { systemClock } from '../../packages/server/src/lib/clock.ts'
import { writeFileDurably } from '../../packages/server/src/lib/files.ts'
import { newId } from '../../packages/server/src/lib/ids.ts'
import { createLogger } from '../../packages/server/src/lib/log.ts'
import { plainStep, type Step } from '../../packages/server/src/lib/step.ts'
import type { BootDependencies } from '../../packages/server/src/runner/boot.ts'
import { createLocalRunner } from '../../packages/server/src/runner/local-runner.ts'
import { workspacePaths } from '../../packages/server/src/runner/paths.ts'
import type { BootSpec, Runner } from '../../packages/server/src/runner/runner.ts'
import type { VmmDriver } from '../../packages/server/src/vmm/driver.ts'
import { createFakeDriver, type FakeDriver } from '../../packages/server/src/vmm/fake/driver.ts'
import { MemoryKernel } from './memory-network.ts'

const installId = 'site'
const image: ImageObject = {
  digest: `sha256:${'0'.repeat(64)}`,
  rootfsPath: '/nowhere',
  sizeBytes: 1,
  config: { Env: [], Cmd: [], Entrypoint: [], WorkingDir: '', User: '' },
}

/** A place where local runners work. */
export interface RunnerSite extends AsyncDisposable {
  readonly dataDir: string
  readonly kernel: MemoryKernel
  /** What is wrong with the agents that start from now on. */
  readonly agentKnobs: FakeKnobs
  /** A runner of this host, as a restarted daemon would make one. */
  runner(step?: Step, more?: Partial<BootDependencies>): Runner
  spec(more?: Partial<BootSpec>): BootSpec
  /** Ends a VM without asking anybody. */
  crash(bootId: string): void
  /** The VMs themselves: what a host does to them. */
  readonly vms: FakeDriver
  /** Time that a guest was told last, ms since the epoch. */
  guestTime(bootId: string): number | undefined
  /** Ends the agent of a guest that lives on. */
  endAgent(bootId: string): Promise<void>
  /** Everything of workspaces that is on the host; disk, logs and lock only when `withData`. */
  census(withData: boolean): Promise<string[]>
}

/** Makes a site. */
export async function createRunnerSite(): Promise<RunnerSite> {
  const dataDir = await mkdtemp(join(tmpdir(), 'alcove-r-'))
  const stateDir = join(dataDir, 'fake')
  const kernel = new MemoryKernel()
  const agents = new Map<string, FakeAgent>()
  const agentKnobs: FakeKnobs = {}
  const plain = createFakeDriver({ installId, stateDir, step: plainStep, clock: systemClock })
  let lastSlot = 0

  /** The driver with an agent in each VM. */
  function driver(step: Step): VmmDriver {
    const fake = createFakeDriver({ installId, stateDir, step, clock: systemClock })
    return {
      ...fake,
      async launch(spec, signal) {
        const vm = await fake.launch(spec, signal)
        const { agentSocket } = vm.handle
        agents.set(agentSocket, await startFakeAgent({ socketPath: agentSocket, clock: systemClock, knobs: { ...agentKnobs } }))
        return vm
      },
    }
  }

  const agentOf = (bootId: string) => [...agents].find(([path]) => path.includes(bootId))?.[1]

  /** A guest that shuts down ends its VM. */
  const connect: ConnectGuest = async (socketPath, options) => {
    const client = await connectGuest(socketPath, options)
    const shutdown: typeof client.shutdown = async (graceMs, signal) => {
      await client.shutdown(graceMs, signal)
      for (const { bootId } of await plain.inventory())
        if (socketPath.includes(bootId)) plain.end(bootId, { cause: 'reset', detail: 'guest-reset', exitCode: 0, signal: null })
    }
    return { ...client, shutdown }
  }

  return {
    dataDir,
    kernel,
    agentKnobs,
    runner: (step = plainStep, more = {}) =>
      createLocalRunner({
        installId,
        dataDir,
        bootFiles: async () => ({ kernelPath: '/nowhere', initrdPath: '/nowhere' }),
        uidBase: 0x40000000,
        bootTimeoutMs: 10_000,
        availableMemoryMib: async () => 16_384,
        freeDiskMib: async () => 16_384,
        minFreeDiskMib: 512,
        vmm: driver(step),
        images: imagesOf(),
        disks: { ensure: (path) => step('disk.create', () => writeFileDurably(path, 'disk')) },
        network: kernel.network(step),
        connectGuest: connect,
        clock: systemClock,
        step,
        log: createLogger('silent'),
        ...more,
      }),
    spec: (more = {}) => ({
      ...{ workspaceId: newId('ws'), bootId: newId('boot'), cpus: 1, memoryMib: 128, diskMib: 512, imageDigest: image.digest },
      ...{ slot: ++lastSlot, hostname: 'test', allowInternet: true, cmd: null, env: [], waitForInit: true, keepLogs: true },
      ...more,
    }),
    crash: (bootId) => plain.end(bootId, { cause: 'killed', detail: 'killed by SIGKILL', exitCode: null, signal: 'SIGKILL' }),
    vms: plain,
    guestTime: (bootId) => agentOf(bootId)?.timeMs,
    endAgent: async (bootId) => agentOf(bootId)?.close(),
    async census(withData) {
      const [processes, states, directories] = await Promise.all([plain.inventory(), namesIn(stateDir), namesIn(join(dataDir, 'vm'))])
      const files = await Promise.all(directories.map(async (id) => (await namesIn(workspacePaths(dataDir, id).root)).map((name) => `${id}/${name}`)))
      return [
        ...processes.map(({ workspaceId }) => `process of ${workspaceId}`),
        // Stands for the cgroups: what a reclaim of the dead VM removes.
        ...states.filter((name) => name.endsWith('.json')).map((name) => `state ${name}`),
        ...[...kernel.taps.keys()].map((slot) => `tap ${slot}`),
        ...[...kernel.rules.keys()].map((slot) => `rules ${slot}`),
        ...(withData ? directories : files.flat().filter((path) => !/\/(disk\.ext4|logs|lock)$/.test(path))),
      ]
    },
    async [Symbol.asyncDispose]() {
      for (const agent of agents.values()) await agent.close()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

function imagesOf(): ImageStore {
  return { find: async () => image, get: async () => image, ensure: async () => image, states: async () => new Map(), collect: async () => {} }
}

async function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => [])
}
