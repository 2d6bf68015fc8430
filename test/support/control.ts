/** A control plane over a host in memory and a database in a file, for tests of what happens between rows and host. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { createCatalogue } from '../../packages/server/src/catalog/catalogue.ts'
import type { ImageObject, ImageStore } from '../../packages/server/src/image/images.ts'
import { type Clock, createSteadyClock, systemClock } from '../../packages/server/src/lib/clock.ts'
import { createLogger } from '../../packages/server/src/lib/log.ts'
import { openStore, type Store } from '../../packages/server/src/store/open.ts'
import { createKey } from '../../packages/server/src/tenancy/api-keys.ts'
import { createPlans, type PlanInput } from '../../packages/server/src/tenancy/plans.ts'
import { noPrices } from '../../packages/server/src/tenancy/prices.ts'
import type { Principal } from '../../packages/server/src/tenancy/principal.ts'
import { createWorkspaceTokens } from '../../packages/server/src/tenancy/workspace-tokens.ts'
import type { BootClock } from '../../packages/server/src/workspace/clock-jump.ts'
import type { Control } from '../../packages/server/src/workspace/control.ts'
import { createExactlyOnce, type ExactlyOnce } from '../../packages/server/src/workspace/exactly-once.ts'
import { handleExit } from '../../packages/server/src/workspace/exited.ts'
import { Mailboxes } from '../../packages/server/src/workspace/mailbox.ts'
import { createReconciler, type Reconciler } from '../../packages/server/src/workspace/reconcile.ts'
import { createWorkspaces } from '../../packages/server/src/workspace/service.ts'
import { createTimers, type Timers } from '../../packages/server/src/workspace/timers.ts'
import type { Workspaces } from '../../packages/server/src/workspace/workspaces.ts'
import { MemoryHost } from './memory-runner.ts'
import { type Requests, requests } from './requests.ts'

const log = createLogger('silent')
const image: ImageObject = {
  digest: `sha256:${'0'.repeat(64)}`,
  rootfsPath: '/nowhere',
  sizeBytes: 1,
  config: { Env: [], Cmd: [], Entrypoint: [], WorkingDir: '', User: '' },
}
const images: ImageStore = {
  find: async () => image,
  get: async () => image,
  ensure: async () => image,
  states: async () => new Map(),
  collect: async () => {},
}
const entry = (id: string) => ({ id, image: `alcove/${id}`, label: id, desc: '', category: 'os', capabilities: [] }) as never

/** One control plane on a host. */
export interface Plane {
  readonly control: Control
  /** The service itself. */
  readonly service: Workspaces
  readonly exactlyOnce: ExactlyOnce
  /** The service as requests reach it: each call is an operation of its own. */
  readonly workspaces: Requests
  readonly reconciler: Reconciler
  readonly timers: Timers
  /** Ends it as a kill would: nothing is put in order. */
  abandon(): void
}

/** A database, a host, and control planes on them. */
export interface World {
  readonly host: MemoryHost
  readonly store: Store
  readonly dataDir: string
  principal(plan?: string): Promise<Principal>
  credentials(account: string, plan?: string): Promise<{ accountId: string; clientId: string; clientSecret: string }>
  /** `over`: parts of the control plane that are given other ones. */
  plane(times?: Partial<Control['times']>, clock?: Clock, over?: (control: Control) => Partial<Control>): Promise<Plane>
}

/** Makes a world that is removed after the test. */
export async function createWorld(
  t: Pick<TestContext, 'after'>,
  plans: Record<string, PlanInput> = {},
  worldClock: Clock & Partial<BootClock> = systemClock,
): Promise<World> {
  const dataDir = await mkdtemp(join(tmpdir(), 'alcove-world-'))
  const store = await openStore({ url: `sqlite:${dataDir}/alcove.db`, clock: systemClock, log })
  t.after(async () => {
    await store.close()
    await rm(dataDir, { recursive: true, force: true })
  })
  const host = new MemoryHost(worldClock)
  let accounts = 0
  const credentials: World['credentials'] = (account, plan) => createKey({ store, clock: systemClock }, { account, plan, defaultPlan: 'enterprise' })
  return {
    host,
    store,
    dataDir,
    credentials,
    async principal(plan) {
      const key = await credentials(`account-${++accounts}`, plan)
      return { accountId: key.accountId, keyId: key.clientId, plan: plan ?? 'enterprise' }
    },
    async plane(times = {}, clock = worldClock, over = () => ({})) {
      const runner = host.runner()
      const catalogue = createCatalogue({ version: 1, categories: [{ id: 'os', label: 'OS' }], images: [entry('busybox'), entry('node-20')] }, images)
      const standard: Control = {
        store,
        runner,
        images,
        imageNames: catalogue,
        plans: createPlans({ host: { cpus: 4, memoryMib: 16_384, diskMib: 1_000_000 }, configured: plans }),
        proxyIds: new Set([42]),
        times: { answerBudgetMs: 10_000, moveDeadlineMs: 60_000, stopGraceMs: 1_000, slotRestMs: 0, historyMs: 1e12, ...times },
        mailboxes: new Mailboxes(),
        observeBoot: () => {},
        clock: createSteadyClock(clock),
        // No round number: what is stored of it must be one all the same.
        random: () => 0.5001,
        log,
        ...('uptimeMs' in clock ? { bootClock: clock as Clock & BootClock } : {}),
      }
      const control = { ...standard, ...over(standard) }
      runner.onExit((vm, end) => void handleExit(control, vm, end).catch(() => {}))
      const tokens = await createWorkspaceTokens({ keyPath: join(dataDir, 'token.key'), issuer: 'test', clock: systemClock })
      const service = createWorkspaces({ ...control, tokens, catalogue, prices: noPrices })
      const exactlyOnce = createExactlyOnce(control)
      const parts = { control, service, exactlyOnce, reconciler: createReconciler(control), timers: createTimers(control) }
      return { ...parts, workspaces: requests(service, exactlyOnce), abandon: () => runner.close() }
    },
  }
}
