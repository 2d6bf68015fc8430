/** Deleting: nothing of a workspace stays on the host. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { sharedDaemon } from '../support/daemon.ts'
import { staying } from '../support/guest-log.ts'
import { eventually } from '../support/vmm.ts'

const daemonOf = sharedDaemon()
const request = { image: 'busybox', config: { memory_mb: 256, writable_size_mb: 64, cmd: staying('echo up') } }

/** What a running workspace has on the host, kind by kind: the check below sees nothing only if there is nothing. */
const kinds = ['process', 'link', 'rule', 'directory'] as const

test('rm leaves no process, tap, nft element, cgroup or file', async () => {
  const daemon = daemonOf()
  const made = await daemon.workspaces.create(request)
  const traces = await daemon.traces()
  for (const kind of kinds)
    assert.ok(
      traces.some((line) => line.startsWith(kind)),
      `no ${kind} in ${traces.join('\n')}`,
    )

  const removed = await daemon.alcove(['rm', made.id])
  assert.equal(removed.exitCode, 0, removed.stderr)
  assert.deepEqual(await daemon.traces(), [])
  await assert.rejects(daemon.workspaces.get(made.id), { status: 404 })
  assert.equal((await daemon.alcove(['get', made.id])).exitCode, 3)
})

test('rm of a stopped workspace leaves nothing', async () => {
  const daemon = daemonOf()
  const made = await daemon.workspaces.create(request)
  const stopped = await daemon.workspaces.stop(made.id)
  assert.deepEqual([stopped.status, stopped.info.user_requested_stop, stopped.uptime], ['stopped', true, 0])
  assert.deepEqual(
    (await daemon.traces()).map((line) => line.split(':')[0]),
    ['directory'],
    'a stopped workspace is its directory only',
  )
  await daemon.workspaces.delete(made.id)
  assert.deepEqual(await daemon.traces(), [])
})

test('five creates and deletes at the same time leave nothing and share nothing', async () => {
  const daemon = daemonOf()
  const made = await Promise.all(Array.from({ length: 5 }, () => daemon.workspaces.create(request)))
  assert.equal(new Set(made.map(({ ip }) => ip)).size, 5)
  assert.ok(made.every(({ status }) => status === 'running'))
  await Promise.all(made.map(({ id }) => daemon.workspaces.delete(id)))
  assert.deepEqual(await daemon.traces(), [])
  assert.equal((await daemon.workspaces.quota()).currentSandboxes, 0)
})

test('delete during create ends both and leaves nothing', async () => {
  const daemon = daemonOf()
  const create = daemon.client(undefined, { maxRetries: 0 }).create(request)
  const refused = assert.rejects(create, { code: 'conflict' })
  const found = await eventually('the workspace is listed', async () => (await daemon.workspaces.list()).workspaces[0])
  await daemon.workspaces.delete(found.id)
  await refused
  assert.deepEqual(await daemon.traces(), [])
})
