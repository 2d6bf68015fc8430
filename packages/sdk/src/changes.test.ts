/** What holds for every call that changes something: it acts once, and only on what it was meant for. */
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { isChange, operations } from '@alcove/contract'
import { type ContractServer, clientId, clientSecret, setStatus, startContractServer } from '../../../test/support/contract-server.ts'
import * as sdk from './index.ts'

async function setUp(t: TestContext): Promise<{ server: ContractServer; ws: sdk.Workspaces; id: string }> {
  const server = await startContractServer()
  t.after(() => server.close())
  return { server, ws: new sdk.Alcove({ clientId, clientSecret, baseUrl: server.url }).workspaces, id: server.addWorkspace().id }
}

type Call = (ws: sdk.Workspaces, id: string, options?: sdk.ChangeOptions) => Promise<unknown>

/** Every change, in an order in which each is allowed. */
const changes: Record<string, Call> = {
  start: (ws, id, options) => ws.start(id, undefined, options),
  'start with force': (ws, id, options) => ws.start(id, { force: true }, options),
  restart: (ws, id, options) => ws.restart(id, options),
  retryCreation: (ws, id, options) => ws.retryCreation(id, options),
  ping: (ws, id, options) => ws.ping(id, { ttl_seconds: 60 }, options),
  pause: (ws, id, options) => ws.pause(id, options),
  resume: (ws, id, options) => ws.resume(id, options),
  stop: (ws, id, options) => ws.stop(id, options),
  update: (ws, id, options) => ws.update(id, { name: 'x' }, options),
  makePermanent: (ws, id, options) => ws.lifecycle.makePermanent(id, undefined, options),
  makeTemporary: (ws, id, options) => ws.lifecycle.makeTemporary(id, undefined, options),
  setTtl: (ws, id, options) => ws.lifecycle.setTtl(id, { ttl: '1h' }, options),
  setIdle: (ws, id, options) => ws.lifecycle.setIdle(id, null, options),
  'resources.update': (ws, id, options) => ws.resources.update(id, { cpus: 1 }, options),
  'metadata.set': (ws, id, options) => ws.metadata.set(id, { a: 'b' }, options),
  delete: (ws, id, options) => ws.delete(id, options),
}

/** Changes that are sent again without a key: done twice they are as good as done once. */
const harmlessTwice = ['ping']

test('every change whose answer was lost is sent again under its key and acts once', async (t) => {
  const { server, ws, id } = await setUp(t)
  for (const [name, call] of Object.entries(changes)) {
    const before = { requests: server.requests.length, operations: server.history.operations.length }
    server.failNext('*', { kind: 'drop-after' })
    await call(ws, id)
    const sent = server.requests.slice(before.requests)
    assert.equal(sent.length, 2, name)
    const keys = new Set(sent.map(({ headers }) => headers['idempotency-key']))
    assert.equal(keys.size, 1, name)
    if (harmlessTwice.includes(name)) {
      assert.deepEqual([...keys], [undefined], `${name} needs no key`)
      continue
    }
    assert.match(String([...keys][0]), /^sdk_[0-9a-f]{32}$/, name)
    assert.equal(server.history.operations.length, before.operations + 1, name)
  }
})

test('every change of the contract has a method', () => {
  const { createWorkspace: _create, ...others } = Object.fromEntries(Object.entries(operations).filter(([, operation]) => isChange(operation)))
  // PATCH is another name of PUT; `start` has two rows, and `lifecycle.destroy`, which is another name of `delete`, has none.
  const expected = Object.values(others).filter(({ method }) => method !== 'PATCH').length
  assert.equal(Object.keys(changes).length, expected)
})

test('a key of the caller is sent as it is, and used for another request it is a conflict', async (t) => {
  const { server, ws, id } = await setUp(t)
  await ws.stop(id, { idempotencyKey: 'mine' })
  assert.equal(server.requests.at(-1)?.headers['idempotency-key'], 'mine')
  assert.equal((await ws.stop(id, { idempotencyKey: 'mine' })).info.status, 'stopped')
  await assert.rejects(ws.start(id, undefined, { idempotencyKey: 'mine' }), { name: 'ConflictError', code: 'idempotency_mismatch', status: 422 })
})

test('a change that is meant for an earlier boot is refused, and not tried again', async (t) => {
  const { server, ws, id } = await setUp(t)
  const { generation } = await ws.get(id)
  assert.equal((await ws.restart(id, { ifGeneration: generation })).generation, generation + 1)
  assert.equal(server.requests.at(-1)?.headers['if-match'], `"${generation}"`)
  for (const [name, call] of Object.entries(changes)) {
    const before = server.requests.length
    await assert.rejects(call(ws, id, { ifGeneration: generation }), sdk.PreconditionFailedError, name)
    assert.equal(server.requests.length, before + 1, name)
  }
  await assert.rejects(ws.lifecycle.destroy(id, { ifGeneration: generation }), { name: 'PreconditionFailedError', code: 'precondition_failed', status: 412 })
  assert.equal(server.workspaces.size, 1)
  for (const ifGeneration of [-1, 1.5, Number.NaN, '1' as unknown as number]) await assert.rejects(ws.stop(id, { ifGeneration }), sdk.ValidationError)
})

test('a change waits for its own predecessor that is still under way, not for another', async (t) => {
  const { server, ws, id } = await setUp(t)
  const conflict = { kind: 'answer', status: 409, body: '{"success":false,"code":"conflict","message":"stopping"}' } as const
  server.failNext('*', { kind: 'drop-before' }, conflict)
  assert.equal((await ws.stop(id)).info.status, 'stopped')
  server.failNext('*', conflict)
  await assert.rejects(ws.start(id), sdk.ConflictError)
})

test('a delete that finds nothing after its answer was lost has succeeded; one of an unknown id has not', async (t) => {
  const { server, ws } = await setUp(t)
  const gone = { kind: 'answer', status: 404, body: '{"success":false,"code":"not_found","message":"gone"}' } as const
  for (const call of [ws.delete, ws.lifecycle.destroy]) {
    const { id } = server.addWorkspace()
    server.failNext('*', { kind: 'drop-after' }, gone)
    assert.equal(await call(id), undefined)
    await assert.rejects(call(id), sdk.NotFoundError)
  }
})

test('pause of what does not run says so', async (t) => {
  const { server, ws, id } = await setUp(t)
  const workspace = server.workspaces.get(id)
  assert.ok(workspace)
  setStatus(workspace, 'stopped')
  await assert.rejects(ws.pause(id), { name: 'ConflictError', code: 'vm_not_running' })
})
