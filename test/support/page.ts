/** A client for tests of the API's page: JSON in, JSON out, with the key of an account. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { PlanInput } from '../../packages/server/src/tenancy/plans.ts'
import { createApiClient } from './api-client.ts'
import { startApiWorld } from './api-world.ts'
import type { World } from './control.ts'

/** An answer; its body is whatever JSON came. */
// biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every shape, right and wrong.
type Answer = { readonly status: number; readonly body: any; readonly text: string }

/** Requests of one account. */
export interface PageAccount {
  call(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<Answer>
  /** Makes a workspace of `busybox` with this config. @returns its id */
  create(config: object): Promise<string>
  /** The stored config of a workspace. */
  config(id: string): Promise<Record<string, unknown>>
  /** How many workspaces the account has. */
  total(): Promise<number>
}

/** The API, and the account of the first key. */
export interface Page extends PageAccount {
  readonly world: World
  /** Another account, on this plan. */
  as(plan: string): Promise<PageAccount>
}

/** Starts an API with these plans besides the built-in ones. */
export async function startPage(t: Pick<TestContext, 'after'>, plans: Record<string, PlanInput> = {}): Promise<Page> {
  const { baseUrl, world } = await startApiWorld(t, { plans })
  const client = createApiClient(baseUrl)
  t.after(() => client[Symbol.dispose]())
  let accounts = 0
  const as = async (plan: string): Promise<PageAccount> => {
    const { clientId, clientSecret } = await world.credentials(`page-${++accounts}`, plan)
    const own = { 'x-client-id': clientId, 'x-client-secret': clientSecret }
    const call: PageAccount['call'] = async (method, path, body, headers = own) => {
      const payload = body === undefined ? {} : { body: JSON.stringify(body) }
      const { status, text } = await client.send({ method, path, headers: { 'content-type': 'application/json', ...headers }, ...payload })
      return { status, text, body: text === '' ? undefined : JSON.parse(text) }
    }
    const total = async () => (await call('GET', '/workspace')).body.total
    const config = async (id: string) => (await call('GET', `/workspace/${id}/details`)).body.workspace.config
    const create = async (config: object) => {
      const { status, body, text } = await call('POST', '/workspace', { image: 'busybox', config })
      assert.equal(status, 201, `${JSON.stringify(config).slice(0, 200)}: ${text}`)
      return body.workspace.id
    }
    return { call, total, config, create }
  }
  return { ...(await as('enterprise')), world, as }
}
