/** The HTTP surface under near-valid and broken requests (S1), and the authorisation matrix (S2): the real server over a host in memory. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { systemClock } from '../../packages/server/src/lib/clock.ts'
import { revoke } from '../../packages/server/src/store/api-keys.ts'
import { fuzzApi } from '../support/api-fuzz.ts'
import { createMemoryWorkspaces } from '../support/api-memory-workspaces.ts'
import { keys, startApi } from '../support/api-server.ts'
import { startApiWorld } from '../support/api-world.ts'
import { authMatrix } from '../support/auth-matrix.ts'

/** A new one each run finds more; a failure names the one it had. */
const seed = Number(process.hrtime.bigint() & 0x7fffffffn)
const images = ['busybox', 'node-20']

test('no request breaks the server, its schemas or its promise that a refusal has no effect', { timeout: 300_000 }, async (t) => {
  const { baseUrl, world } = await startApiWorld(t)
  const credentials = await Promise.all(['pro', 'starter', 'pro', 'enterprise'].map((plan, lane) => world.credentials(`fuzz-${lane}`, plan)))
  const verdict = await fuzzApi({ baseUrl, credentials, images, requests: 20_000, seed })
  t.diagnostic(`seed ${seed}: ${JSON.stringify(verdict.statuses)}`)
  assert.deepEqual(verdict.violations, [], `seed ${seed}`)
  for (const status of ['200', '201', '400', '401', '402', '404', '405', '409', '415', 'raw 400', 'raw 431'])
    assert.ok(verdict.statuses[status], `never ${status}`)
})

test('the fuzzer sees a 5xx and an effect of a refused request', async () => {
  const memory = createMemoryWorkspaces()
  const broken = {
    ...memory,
    quota: () => Promise.reject(new Error('broken on purpose')),
    update: async (...given: Parameters<typeof memory.update>) => {
      await memory.remove(given[0], given[1])
      return memory.update(...given)
    },
  }
  await using server = await startApi({ workspaces: broken })
  const { violations } = await fuzzApi({
    baseUrl: server.baseUrl,
    credentials: [keys.owner, keys.other],
    images: ['busybox'],
    requests: 2000,
    seed: 1,
    maxViolations: 1000,
  })
  const text = violations.join('\n')
  assert.match(text, /GET \/workspace\/quota.*500 internal_error/)
  assert.match(text, /PUT .*was refused with 404 and had an effect/)
})

test('nobody reaches what is not theirs, operation by operation', async (t) => {
  const { baseUrl, world, plane } = await startApiWorld(t)
  const [owner, other, revoked] = [await world.credentials('owner', 'pro'), await world.credentials('other', 'pro'), await world.credentials('owner', 'pro')]
  await revoke(world.store.db, revoked.clientId, systemClock.now())
  const { id } = await plane.workspaces.create({ accountId: owner.accountId, keyId: owner.clientId, plan: 'pro' }, { image: 'busybox', config: {} }, undefined)
  const { rows, violations } = await authMatrix({ baseUrl, owner, other, revoked, workspaceId: id })
  assert.deepEqual(violations, [])
  assert.ok(rows.length > 190, `${rows.length} rows`)
})

test('the matrix sees a service that forgets to look at the account', async () => {
  const memory = createMemoryWorkspaces()
  const owner = { accountId: keys.owner.clientId, keyId: 'k', plan: 'pro' }
  const { id } = await memory.create(owner, { image: 'busybox', config: {} }, undefined)
  await using server = await startApi({ workspaces: { ...memory, stats: (_principal, workspaceId) => memory.stats(owner, workspaceId) } })
  const { violations } = await authMatrix({ baseUrl: server.baseUrl, owner: keys.owner, other: keys.other, revoked: keys.revoked, workspaceId: id })
  assert.match(violations.join('\n'), /^getWorkspaceStats: id of another account: status 200/)
})
