/** The HTTP surface under near-valid and broken requests (S1), and the authorisation matrix (S2): the real server over a host in memory. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { newId } from '../../packages/server/src/lib/ids.ts'
import * as events from '../../packages/server/src/store/events.ts'
import { createApiClient } from '../support/api-client.ts'
import { fuzzApi } from '../support/api-fuzz.ts'
import { type ApiWorld, headersOf, type Keys, startApiWorld } from '../support/api-world.ts'
import { authMatrix } from '../support/auth-matrix.ts'

/** A new one each run finds more; a failure names the one it had. */
const seed = Number(process.hrtime.bigint() & 0x7fffffffn)
const images = ['busybox', 'node-20']

test('no request breaks the server, its schemas or its promise that a refusal has no effect', { timeout: 300_000 }, async (t) => {
  const { baseUrl, world } = await startApiWorld(t)
  const credentials = await Promise.all(['pro', 'starter', 'pro', 'enterprise'].map((plan, lane) => world.credentials(`fuzz-${lane}`, plan)))
  const verdict = await fuzzApi({ baseUrl, credentials, images, requests: 12_000, seed })
  t.diagnostic(`seed ${seed}: ${JSON.stringify(verdict.statuses)}`)
  assert.deepEqual(verdict.violations, [], `seed ${seed}`)
  for (const status of ['200', '201', '400', '401', '402', '404', '405', '409', '412', '415', '422', 'raw 400', 'raw 431'])
    assert.ok(verdict.statuses[status], `never ${status}`)
})

test('the fuzzer sees a 5xx and an effect of a refused request', async (t) => {
  const server = await startApiWorld(t, {
    over: ({ workspaces }) => ({
      workspaces: {
        ...workspaces,
        quota: () => Promise.reject(new Error('broken on purpose')),
        update: async (requester, id, request) => {
          await workspaces.remove(requester, id)
          return workspaces.update({ ...requester, operationId: newId('op') }, id, request)
        },
      },
    }),
  })
  const { violations } = await fuzzApi({
    baseUrl: server.baseUrl,
    credentials: [server.keys.owner, server.keys.other],
    images: ['busybox'],
    requests: 1500,
    seed: 1,
    maxViolations: 1000,
  })
  const text = violations.join('\n')
  assert.match(text, /GET \/workspace\/quota.*500 internal_error/)
  assert.match(text, /PUT .*was refused with 404 and had an effect/)
})

/** A workspace of each account; the owner's is the older one, and was made with a key. */
async function setUpMatrix({ baseUrl, keys, world }: ApiWorld) {
  using client = createApiClient(baseUrl)
  const usedKey = 'of-the-owner'
  const make = async (key: Keys, more: Record<string, string> = {}) => {
    const headers = { ...headersOf(key), 'content-type': 'application/json', ...more }
    const { status, text, headers: given } = await client.send({ method: 'POST', path: '/workspace', headers, body: '{"image":"busybox"}' })
    assert.equal(status, 201, text)
    return { workspaceId: (JSON.parse(text) as { workspace: { id: string } }).workspace.id, operationId: String(given['x-operation-id']) }
  }
  const { workspaceId, operationId } = await make(keys.owner, { 'idempotency-key': usedKey })
  const { workspaceId: otherWorkspaceId } = await make(keys.other)
  const [first] = await events.listByWorkspace(world.store.db, workspaceId)
  assert.equal(first?.seq, 1)
  return { baseUrl, ...keys, workspaceId, operationId, otherWorkspaceId, usedKey }
}

test('nobody reaches what is not theirs, operation by operation', { timeout: 300_000 }, async (t) => {
  const server = await startApiWorld(t)
  const { rows, violations } = await authMatrix(await setUpMatrix(server))
  assert.deepEqual(violations, [])
  assert.ok(rows.length > 500, `${rows.length} rows`)
})

test('the matrix sees a service that forgets to look at the account', { timeout: 300_000 }, async (t) => {
  let ownerId = ''
  const server = await startApiWorld(t, {
    over: ({ workspaces, history }) => ({
      workspaces: { ...workspaces, stats: (principal, id) => workspaces.stats({ ...principal, accountId: ownerId }, id) },
      history: { ...history, operation: (_accountId, id) => history.operation(ownerId, id) },
    }),
  })
  ownerId = server.keys.owner.accountId
  const { violations } = await authMatrix(await setUpMatrix(server))
  assert.match(violations.join('\n'), /^getWorkspaceStats: id of another account: status 200/m)
  assert.match(violations.join('\n'), /^getOperation: id of another account: tells of another account/m)
})
