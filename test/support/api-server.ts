/** Starts the API on a free port of loopback, over workspaces in memory and a fixed set of keys. */
import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { Registry } from 'prom-client'
import { type ApiDeps, createApi } from '../../packages/server/src/api/create-api.ts'
import { fail } from '../../packages/server/src/lib/fail.ts'
import { createLogger } from '../../packages/server/src/lib/log.ts'
import { createMemoryWorkspaces } from './api-memory-workspaces.ts'

/** Headers of a key. */
export interface Keys {
  readonly clientId: string
  readonly clientSecret: string
}

/** Keys that the server knows, one account each; the last was revoked. */
export const keys = {
  owner: { clientId: 'key_owner', clientSecret: 'secret-of-owner' },
  other: { clientId: 'key_other', clientSecret: 'secret-of-other' },
  revoked: { clientId: 'key_revoked', clientSecret: 'secret-of-revoked' },
} as const satisfies Record<string, Keys>

/** Headers that authenticate. */
export const headersOf = ({ clientId, clientSecret }: Keys) => ({ 'x-client-id': clientId, 'x-client-secret': clientSecret })

/** A server that listens. */
export interface ApiServer extends AsyncDisposable {
  readonly app: FastifyInstance
  readonly baseUrl: string
  readonly port: number
  readonly workspaces: ReturnType<typeof createMemoryWorkspaces>
}

/** Starts it; `over` replaces parts. */
export async function startApi(over: Partial<ApiDeps> = {}): Promise<ApiServer> {
  const workspaces = createMemoryWorkspaces()
  const app = createApi({ workspaces, authenticate, log: createLogger('silent'), metrics: new Registry(), version: '0.0.0', ...over })
  await app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = app.server.address() as AddressInfo
  return { app, port, baseUrl: `http://127.0.0.1:${port}`, workspaces, [Symbol.asyncDispose]: () => app.close() }
}

async function authenticate(clientId: string, clientSecret: string) {
  const known = [keys.owner, keys.other].find((key) => key.clientId === clientId && key.clientSecret === clientSecret)
  return known ? { accountId: known.clientId, keyId: known.clientId, plan: 'pro' } : fail('MISSING_USER_ID', { message: 'The API key is unknown or revoked.' })
}
