/** The calls about the life of a workspace, each against a server that knows nothing but the contract. */
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { type ContractServer, clientId, clientSecret, setStatus, startContractServer } from '../../../test/support/contract-server.ts'
import * as sdk from './index.ts'

async function setUp(t: TestContext): Promise<{ server: ContractServer; client: sdk.Alcove; ws: sdk.Workspaces; id: string }> {
  const server = await startContractServer()
  t.after(() => server.close())
  const client = new sdk.Alcove({ clientId, clientSecret, baseUrl: server.url })
  return { server, client, ws: client.workspaces, id: server.addWorkspace().id }
}

const collect = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

test('pause and resume keep the boot', async (t) => {
  const { ws, id } = await setUp(t)
  const { generation } = await ws.get(id)
  const paused = await ws.pause(id)
  assert.deepEqual([paused.info.status, paused.generation], ['paused', generation])
  const resumed = await ws.resume(id)
  assert.deepEqual([resumed.info.status, resumed.generation], ['running', generation])
})

test('waitUntilReady waits for a resume, and not for a pause to end', async (t) => {
  const { server, ws, id } = await setUp(t)
  const workspace = server.workspaces.get(id)
  assert.ok(workspace)
  setStatus(workspace, 'resuming')
  server.onLook = () => setStatus(workspace, 'running')
  assert.equal((await ws.waitUntilReady(id)).info.status, 'running')
  setStatus(workspace, 'paused')
  server.onLook = () => undefined
  await assert.rejects(ws.waitUntilReady(id), { code: 'vm_not_running' })
})

test('mode, time to live and idle policy are changed and read back', async (t) => {
  const { server, ws, id } = await setUp(t)
  const temporary = await ws.lifecycle.makeTemporary(id, { ttl: '1h', ttl_action: 'pause', remove_on_exit: true })
  assert.deepEqual([temporary.mode, typeof temporary.expires_at], ['temporary', 'string'])
  assert.equal((await ws.ping(id, { ttl_seconds: 60 })).expires_at, temporary.expires_at)
  assert.deepEqual(server.requests.at(-1)?.body, { ttl_seconds: 60 })
  assert.equal((await ws.lifecycle.setTtl(id, { ttl: null, ttl_action: 'stop' })).expires_at, undefined)
  assert.deepEqual(await ws.lifecycle.setIdle(id, { suspend_after: '5m', stop_after: '2h' }), { suspend_after: 300, stop_after: 7200 })
  const { ttl, ttl_action, remove_on_exit, idle } = await ws.lifecycle.get(id)
  assert.deepEqual(
    { ttl, ttl_action, remove_on_exit, idle },
    { ttl: null, ttl_action: 'stop', remove_on_exit: true, idle: { suspend_after: 300, stop_after: 7200 } },
  )
  assert.equal(await ws.lifecycle.setIdle(id, null), null)
  assert.deepEqual(server.requests.at(-1)?.body, { suspend_after: 0 })
  assert.equal((await ws.lifecycle.makePermanent(id, { restart_policy: 'on-failure' })).mode, 'permanent')
  assert.equal((await ws.lifecycle.get(id)).restart_policy, 'on-failure')
  assert.equal((await ws.ping(id)).expires_at, null)
  await ws.lifecycle.destroy(id)
  await assert.rejects(ws.get(id), sdk.NotFoundError)
})

test('resources wait for the next start unless they are to be applied', async (t) => {
  const { ws, id } = await setUp(t)
  assert.deepEqual((await ws.resources.update(id, { cpus: 4 })).updated, { cpus: 4 })
  const { resources, cpus } = await ws.resources.get(id)
  assert.deepEqual([resources.cpus, cpus, resources.restart_required], [4, 4, true])
  assert.equal((await ws.resources.update(id, { memory_mb: 4096, writable_size_mb: 2048, apply: true })).relaunched, true)
  assert.equal((await ws.resources.get(id)).resources.restart_required, false)
  await assert.rejects(ws.resources.update(id, { writable_size_mb: 64 }), sdk.ValidationError)
})

test('metadata is merged, and null removes a key', async (t) => {
  const { ws, id } = await setUp(t)
  await ws.metadata.set(id, { owner: 'anna', note: '' })
  assert.deepEqual(await ws.metadata.set(id, { owner: null, team: 'x' }), { note: '', team: 'x' })
  assert.deepEqual(await ws.metadata.get(id), { note: '', team: 'x' })
})

test('a size is estimated, and a first boot is tried again', async (t) => {
  const { server, ws, id } = await setUp(t)
  const { estimate, period, currency } = await ws.estimate({ cpu: 2, ram_mb: 1024 })
  assert.ok(estimate.min < estimate.avg && estimate.avg < estimate.max)
  assert.deepEqual([period, currency], ['hour', 'EUR'])
  const workspace = server.workspaces.get(id)
  assert.ok(workspace)
  setStatus(workspace, 'failed')
  assert.equal((await ws.retryCreation(id)).info.status, 'running')
})

test('operations and events are read page by page, also those of a workspace that is gone', async (t) => {
  const { client, ws, id } = await setUp(t)
  for (const verb of ['stop', 'start', 'pause', 'resume', 'delete'] as const) await (verb === 'start' ? ws.start(id) : ws[verb](id))
  const page = await ws.operations(id, { limit: 2 })
  assert.deepEqual([page.operations.map(({ verb }) => verb), page.next], [['delete', 'resume'], page.operations[1]?.id])
  const done = await collect(ws.allOperations(id, { limit: 2 }))
  assert.deepEqual(
    done.map(({ verb }) => verb),
    ['delete', 'resume', 'pause', 'start', 'stop', 'create'],
  )
  assert.deepEqual(await client.operations.get(page.operations[0]?.id ?? ''), page.operations[0])
  const events = await collect(ws.allEvents(id, { limit: 4 }))
  assert.deepEqual(
    events.map(({ to }) => to),
    ['running', 'stopped', 'running', 'paused', 'running', null],
  )
  assert.deepEqual(await collect(ws.allEvents(id, { after: events[3]?.id ?? '' })), events.slice(4))
  assert.equal((await ws.events(id)).next, null)
  await assert.rejects(client.operations.get('op_none'), sdk.NotFoundError)
  await assert.rejects(collect(ws.allEvents('ws_none')), sdk.NotFoundError)
})
