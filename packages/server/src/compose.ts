/** The one place that picks implementations and puts them together. */
import { randomBytes, randomInt } from 'node:crypto'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { FastifyInstance } from 'fastify'
import { Registry } from 'prom-client'
import { createApi } from './api/create-api.ts'
import { createBootMetrics, registerProcessMetrics, registerWorkspaceMetrics } from './api/metrics.ts'
import { createCatalogue } from './catalog/catalogue.ts'
import type { Config } from './config.ts'
import { connectGuest } from './guest/client.ts'
import { connectStubGuest } from './guest/stub.ts'
import { loadCatalogue } from './image/catalogue.ts'
import { createDiskStore } from './image/disk-store.ts'
import { createImageStore } from './image/image-store.ts'
import { type Clock, createSteadyClock } from './lib/clock.ts'
import type { Logger } from './lib/log.ts'
import { failpointStep } from './lib/step.ts'
import { createNetwork } from './network/kernel-network.ts'
import { createBootFiles } from './runner/boot-files.ts'
import { readAvailableMemory, readFreeDisk, readHostCapacity } from './runner/host-capacity.ts'
import { createLocalRunner } from './runner/local-runner.ts'
import type { Runner } from './runner/runner.ts'
import * as meta from './store/meta.ts'
import { openStore, type Store } from './store/open.ts'
import { lastSlot } from './store/slots.ts'
import * as workspaceRows from './store/workspaces.ts'
import { createAuthenticator } from './tenancy/api-keys.ts'
import { createDenials } from './tenancy/denials.ts'
import { createPlans } from './tenancy/plans.ts'
import { noPrices } from './tenancy/prices.ts'
import { createWorkspaceTokens } from './tenancy/workspace-tokens.ts'
import { version } from './version.ts'
import { createQemuDriver } from './vmm/qemu/driver.ts'
import { createJumpDetector } from './workspace/clock-jump.ts'
import type { Control } from './workspace/control.ts'
import { createEventFeed } from './workspace/event-feed.ts'
import { createExactlyOnce } from './workspace/exactly-once.ts'
import { handleExit } from './workspace/exited.ts'
import { createHistory } from './workspace/history.ts'
import { Mailboxes } from './workspace/mailbox.ts'
import { createReconciler, type Reconciler } from './workspace/reconcile.ts'
import { createWorkspaces } from './workspace/service.ts'
import { createTimers, type Timers } from './workspace/timers.ts'

const imagesDir = fileURLToPath(new URL('../../../guest/images', import.meta.url))

/** Time a released address rests, ms. */
const slotRestMs = 60_000

/** The host's side of an installation: what VMs are made of, without the control plane. */
export interface Host {
  readonly installId: string
  readonly runner: Runner
  readonly network: ReturnType<typeof createNetwork>
  readonly images: ReturnType<typeof createImageStore>
  readonly catalogueFile: Awaited<ReturnType<typeof loadCatalogue>>
}

/** A server that is put together but does not listen yet. */
export interface Server {
  readonly api: FastifyInstance
  readonly host: Host
  readonly control: Control
  readonly reconciler: Reconciler
  readonly timers: Timers
}

/** Opens the database of an installation. */
export function composeStore(config: Config, clock: Clock, log: Logger): Promise<Store> {
  return openStore({ url: config.database, clock, log })
}

/** Puts the host's side together; nothing on the host is touched before it is used. */
export async function composeHost(config: Config, store: Store, clock: Clock, log: Logger): Promise<Host> {
  const { dataDir } = config
  const step = failpointStep(config.failpoints)
  const installId = await meta.getOrInsert(store.db, 'install_id', randomBytes(4).toString('hex'))
  // 2^16 slots above a random base: the users of two installations on one host are not the same.
  const uidBase = Number(await meta.getOrInsert(store.db, 'uid_base', String((0x4000 + randomInt(0x2000)) * 0x10000)))
  const cacheDir = dirname(config.artifacts)
  const catalogueFile = await loadCatalogue(join(imagesDir, 'catalogue.json'))
  const bootFiles = createBootFiles({ artifactsPath: config.artifacts, dataDir, step })
  const network = createNetwork({ installId, step, log })
  const images = createImageStore({
    root: join(dataDir, 'images'),
    cacheDir: join(cacheDir, 'images'),
    recipesDir: imagesDir,
    catalogue: catalogueFile,
    buildEnv: config.buildEnv,
    step,
    clock,
    log,
  })
  const disks = createDiskStore({ seedDir: join(dataDir, 'images', 'seeds'), step })
  const uids = { first: uidBase + 1, last: uidBase + lastSlot }
  const vmm = createQemuDriver({ installId, step, clock, log, uids, kvm: { bootFiles, cachePath: join(dataDir, 'accel.json') } })
  const runner = createLocalRunner({
    installId,
    dataDir,
    bootFiles,
    uidBase,
    bootTimeoutMs: config.bootTimeoutSeconds * 1000,
    availableMemoryMib: readAvailableMemory,
    freeDiskMib: () => readFreeDisk(dataDir),
    minFreeDiskMib: config.minFreeDiskMb,
    vmm,
    images,
    disks,
    network,
    connectGuest: config.testGuest === 'stub' ? connectStubGuest : connectGuest,
    clock,
    step,
    log,
  })
  return { installId, runner, network, images, catalogueFile }
}

/** Puts the server together. */
export async function composeServer(config: Config, store: Store, clock: Clock, log: Logger): Promise<Server> {
  const host = await composeHost(config, store, clock, log)
  const metrics = new Registry()
  registerProcessMetrics(metrics)
  registerWorkspaceMetrics(metrics, () => workspaceRows.countByStatus(store.db))
  const catalogue = createCatalogue(host.catalogueFile, host.images)
  const control: Control = {
    store,
    runner: host.runner,
    images: host.images,
    imageNames: catalogue,
    plans: createPlans({ host: await readHostCapacity(config.dataDir), configured: config.plans }),
    proxyIds: new Set(config.outboundProxies.map((proxy) => proxy.id)),
    times: {
      answerBudgetMs: config.createBudgetSeconds * 1000,
      moveDeadlineMs: (config.bootTimeoutSeconds + config.stopGraceSeconds) * 1000,
      stopGraceMs: config.stopGraceSeconds * 1000,
      slotRestMs,
      historyMs: config.historyDays * 24 * 3_600_000,
    },
    mailboxes: new Mailboxes(),
    observeBoot: createBootMetrics(metrics),
    clock: createSteadyClock(clock),
    random: Math.random,
    log,
  }
  // Before anybody is served: what is asked for from now on is reckoned by the clock as it is now.
  await createJumpDetector(control)
    .look()
    .catch((error) => log.error({ err: error }, 'whether the clock of the host was set could not be found out; it is looked at again'))
  host.runner.onExit((vm, end) => {
    handleExit(control, vm, end).catch((error) => log.error({ workspaceId: vm.workspaceId, err: error }, 'could not settle the end of a virtual machine'))
  })
  const tokens = await createWorkspaceTokens({ keyPath: join(config.dataDir, 'token.key'), issuer: `alcove:${host.installId}`, clock })
  const authenticator = createAuthenticator({ store, clock })
  const history = createHistory({ store })
  const api = createApi({
    workspaces: createWorkspaces({ ...control, tokens, catalogue, prices: { ...noPrices, ...config.prices } }),
    history,
    feed: createEventFeed({ history, store, clock }),
    exactlyOnce: createExactlyOnce(control),
    denials: createDenials({ store, clock, log }),
    authenticate: authenticator.authenticate,
    clock,
    log,
    metrics,
    version,
  })
  return { api, host, control, reconciler: createReconciler(control), timers: createTimers(control) }
}
