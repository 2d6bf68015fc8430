/** The API as it is composed: real service, real database, real authentication; only the host is in memory. */
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import type { FastifyInstance } from 'fastify'
import { Registry } from 'prom-client'
import { type ApiDeps, createApi } from '../../packages/server/src/api/create-api.ts'
import { systemClock } from '../../packages/server/src/lib/clock.ts'
import { createLogger } from '../../packages/server/src/lib/log.ts'
import { revoke } from '../../packages/server/src/store/api-keys.ts'
import { createAuthenticator } from '../../packages/server/src/tenancy/api-keys.ts'
import { createDenials } from '../../packages/server/src/tenancy/denials.ts'
import type { PlanInput } from '../../packages/server/src/tenancy/plans.ts'
import { createEventFeed } from '../../packages/server/src/workspace/event-feed.ts'
import { createHistory } from '../../packages/server/src/workspace/history.ts'
import { createWorld, type Plane, type World } from './control.ts'

/** An API key. */
export interface Keys {
  readonly accountId: string
  readonly clientId: string
  readonly clientSecret: string
}

/** A server that listens, with the control plane behind it. */
export interface Api {
  readonly app: FastifyInstance
  readonly baseUrl: string
  readonly port: number
  readonly plane: Plane
}

/** A listening server and the world under it. */
export interface ApiWorld extends Api {
  readonly world: World
  /** Keys of two accounts, and one of the first account that was revoked. */
  readonly keys: { readonly owner: Keys; readonly other: Keys; readonly revoked: Keys }
  /** Another control plane and server on the same database and host, as after a restart. */
  another(): Promise<Api>
}

/** How to start it. */
export interface ApiWorldOptions {
  /** Plans besides the built-in ones. */
  readonly plans?: Readonly<Record<string, PlanInput>>
  /** Plan of both accounts. */
  readonly plan?: string
  /** Replaces parts of what the API is made of. */
  readonly over?: (deps: ApiDeps) => Partial<ApiDeps>
}

/** Headers that authenticate. */
export const headersOf = ({ clientId, clientSecret }: Pick<Keys, 'clientId' | 'clientSecret'>) => ({ 'x-client-id': clientId, 'x-client-secret': clientSecret })

/** Starts it; it ends with the test. */
export async function startApiWorld(t: Pick<TestContext, 'after'>, { plans = {}, plan = 'enterprise', over }: ApiWorldOptions = {}): Promise<ApiWorld> {
  // Hooks run in the order in which they were added: the servers must be gone before their database.
  const servers: Api[] = []
  t.after(() => Promise.all(servers.map(end)))
  const world = await createWorld(t, plans)
  const another = async () => {
    const server = await serve(world, over)
    servers.push(server)
    return server
  }
  const [owner, other, revoked] = [await world.credentials('owner', plan), await world.credentials('other', plan), await world.credentials('owner')]
  await revoke(world.store.db, revoked.clientId, systemClock.now())
  return { ...(await another()), world, keys: { owner, other, revoked }, another }
}

async function serve(world: World, over: ApiWorldOptions['over']): Promise<Api> {
  const plane = await world.plane()
  const { store } = world
  const log = createLogger('silent')
  const history = createHistory({ store })
  const deps: ApiDeps = {
    workspaces: plane.service,
    history,
    feed: createEventFeed({ history, store, clock: systemClock }),
    exactlyOnce: plane.exactlyOnce,
    denials: createDenials({ store, clock: systemClock, log }),
    authenticate: createAuthenticator({ store, clock: systemClock }).authenticate,
    clock: systemClock,
    log,
    metrics: new Registry(),
    version: '0.0.0',
  }
  const app = createApi({ ...deps, ...over?.(deps) })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  return { app, port, baseUrl: `http://127.0.0.1:${port}`, plane }
}

async function end({ app, plane }: Api): Promise<void> {
  // Also what a failed test has left open.
  const closed = app.close()
  app.server.closeAllConnections()
  await closed
  plane.abandon()
}
