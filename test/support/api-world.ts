/** The API as it is composed: real service, real database, real authentication; only the host is in memory. */
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { Registry } from 'prom-client'
import { createApi } from '../../packages/server/src/api/create-api.ts'
import { systemClock } from '../../packages/server/src/lib/clock.ts'
import { createLogger } from '../../packages/server/src/lib/log.ts'
import { createAuthenticator } from '../../packages/server/src/tenancy/api-keys.ts'
import type { PlanInput } from '../../packages/server/src/tenancy/plans.ts'
import { createWorld, type Plane, type World } from './control.ts'

/** A listening server and the world under it. */
export interface ApiWorld {
  readonly baseUrl: string
  readonly world: World
  readonly plane: Plane
}

/** Starts it, with these plans besides the built-in ones; it ends with the test. */
export async function startApiWorld(t: Pick<TestContext, 'after'>, plans: Record<string, PlanInput> = {}): Promise<ApiWorld> {
  // Hooks run in the order in which they were added: the server must be gone before its database.
  let close = async () => {}
  t.after(() => close())
  const world = await createWorld(t, plans)
  const plane = await world.plane()
  const { authenticate } = createAuthenticator({ store: world.store, clock: systemClock })
  const app = createApi({ workspaces: plane.workspaces, authenticate, log: createLogger('silent'), metrics: new Registry(), version: '0.0.0' })
  close = async () => {
    await app.close()
    plane.abandon()
  }
  await app.listen({ host: '127.0.0.1', port: 0 })
  return { baseUrl: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`, world, plane }
}
