/** Limits of a plan under concurrent requests over HTTP. */
import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'node:test'
import { sharedDaemon } from '../support/daemon.ts'

const daemonOf = sharedDaemon({ config: { plans: { trio: { label: 'Trio', maxSandboxes: 3 } } } })

test('twenty creates at once against a limit of three give exactly three', async () => {
  const daemon = daemonOf()
  const key = await daemon.key('trio-account', 'trio')
  const headers = { 'X-Client-ID': key.clientId, 'X-Client-Secret': key.clientSecret, 'Content-Type': 'application/json' }
  const body = JSON.stringify({ image: 'busybox', config: { memory_mb: 256, writable_size_mb: 64 } })
  const answers = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const response = await fetch(`${daemon.url}/workspace`, { method: 'POST', headers, body })
      return { status: response.status, body: (await response.json()) as { error?: string; current?: number; max?: number; workspace?: { id: string } } }
    }),
  )
  const made = answers.filter(({ status }) => status === 201)
  const refused = answers.filter(({ status }) => status === 402)
  assert.deepEqual([made.length, refused.length], [3, 17], JSON.stringify(answers.map(({ status }) => status)))
  for (const answer of refused) assert.deepEqual([answer.body.error, answer.body.max], ['SANDBOX_LIMIT_REACHED', 3])

  const workspaces = daemon.client(key)
  const ids = made.map((answer) => answer.body.workspace?.id).toSorted()
  const list = await workspaces.list()
  assert.deepEqual([list.total, list.workspaces.map(({ id }) => id).toSorted()], [3, ids])
  assert.deepEqual((await readdir(join(daemon.dataDir, 'vm'))).toSorted(), ids, 'the refused have left no file')
  const quota = await workspaces.quota()
  assert.deepEqual([quota.currentSandboxes, quota.canCreate, quota.running_pool_usage.memory_mb], [3, false, 3 * 256])

  // One less, and there is room for one more.
  await workspaces.delete(ids[0] ?? '')
  assert.equal((await workspaces.create({ image: 'busybox', config: { memory_mb: 256, writable_size_mb: 64 } })).status, 'running')
})

test('twenty creates at once with one idempotency key make one workspace', async () => {
  const daemon = daemonOf()
  const request = { image: 'busybox', config: { memory_mb: 256, writable_size_mb: 64 } }
  const made = await Promise.all(Array.from({ length: 20 }, () => daemon.workspaces.create(request, { idempotencyKey: 'the-one' })))
  assert.equal(new Set(made.map(({ id }) => id)).size, 1)
  assert.equal((await daemon.workspaces.list()).total, 1)
})
