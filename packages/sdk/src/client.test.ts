import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { type ContractServer, clientId, clientSecret, setStatus, startContractServer } from '../../../test/support/contract-server.ts'
import * as sdk from './index.ts'

async function setUp(t: TestContext, options: Partial<sdk.AlcoveOptions> = {}): Promise<{ server: ContractServer; ws: sdk.Workspaces }> {
  const server = await startContractServer()
  t.after(() => server.close())
  return { server, ws: new sdk.Alcove({ clientId, clientSecret, baseUrl: server.url, ...options }).workspaces }
}

const unavailable = (headers = {}) =>
  ({ kind: 'answer', status: 503, body: '{"success":false,"code":"service_unavailable","message":"starting"}', headers }) as const
const keysOf = (server: ContractServer) => server.requests.map((request) => request.headers['idempotency-key'])

test('a create whose connection breaks after the server acted makes one workspace', async (t) => {
  const { server, ws } = await setUp(t)
  server.failNext('POST /workspace', { kind: 'drop-after' }, { kind: 'drop-before' })
  const workspace = await ws.create({ image: 'busybox' })
  assert.equal(server.workspaces.size, 1)
  assert.ok(server.workspaces.has(workspace.id))
  assert.equal(server.requests.length, 3)
  assert.equal(new Set(keysOf(server)).size, 1)
  assert.match(String(keysOf(server)[0]), /^sdk_[0-9a-f]{32}$/)
})

test('two creates have two keys, and the key of the caller wins', async (t) => {
  const { server, ws } = await setUp(t)
  await ws.create({ image: 'busybox' })
  await ws.create({ image: 'busybox' })
  await ws.create({ image: 'busybox' }, { idempotencyKey: 'mine' })
  await ws.create({ image: 'busybox', idempotency_key: 'in-body' })
  const keys = keysOf(server)
  assert.equal(new Set(keys).size, 4)
  assert.deepEqual(keys.slice(2), ['mine', 'in-body'])
})

test('a create refused as in progress after its connection broke is sent again under the same key', async (t) => {
  const { server, ws } = await setUp(t)
  const conflict = { kind: 'answer', status: 409, body: '{"success":false,"code":"conflict","message":"in progress"}' } as const
  server.failNext('POST /workspace', { kind: 'drop-after' }, conflict)
  await ws.create({ image: 'busybox' })
  assert.equal(server.workspaces.size, 1)
  server.failNext('POST /workspace', conflict)
  await assert.rejects(ws.create({ image: 'busybox' }), sdk.ConflictError)
})

test('503, 502 and 429 are tried again, and Retry-After is waited for', async (t) => {
  const { server, ws } = await setUp(t)
  const started = performance.now()
  server.failNext(
    'POST /workspace',
    unavailable({ 'retry-after': '1' }),
    { kind: 'answer', status: 502, body: '<html>bad gateway</html>' },
    { kind: 'answer', status: 429, body: '{"success":false,"code":"rate_limited","message":"slow down"}' },
  )
  await ws.create({ image: 'busybox' })
  assert.ok(performance.now() - started >= 1000, 'the second attempt came before Retry-After')
  assert.equal(server.requests.length, 4)
  assert.equal(new Set(keysOf(server)).size, 1)
})

test('a Retry-After that is longer than a minute, or than the time of the call, is handed to the caller', async (t) => {
  const { server, ws } = await setUp(t)
  server.failNext('GET /workspace/quota', unavailable({ 'retry-after': '3600' }), unavailable({ 'retry-after': '30' }))
  await assert.rejects(ws.quota(), { name: 'ServerError', code: 'service_unavailable', retryAfterMs: 3_600_000, retryable: true })
  await assert.rejects(ws.quota({ timeoutMs: 2000 }), { name: 'ServerError', retryAfterMs: 30_000 })
  assert.equal(server.requests.length, 2)
})

test('attempts end after maxRetries with the last error', async (t) => {
  const { server, ws } = await setUp(t, { maxRetries: 1 })
  server.failNext('*', unavailable(), unavailable(), unavailable())
  await assert.rejects(ws.quota(), { name: 'ServerError', code: 'service_unavailable', status: 503 })
  assert.equal(server.requests.length, 2)
})

test('other failures are not tried again', async (t) => {
  const { server, ws } = await setUp(t)
  server.failNext('*', { kind: 'answer', status: 500, body: '{"success":false,"code":"CREATE_FAILED","message":"no"}' })
  await assert.rejects(ws.create({ image: 'busybox' }), { code: 'CREATE_FAILED' })
  await assert.rejects(ws.get('ws_unknown'), sdk.NotFoundError)
  assert.equal(server.requests.length, 2)
})

test('reads survive a broken connection', async (t) => {
  const { server, ws } = await setUp(t)
  const { id } = server.addWorkspace()
  for (const call of [() => ws.get(id), () => ws.details(id), () => ws.logs(id), () => ws.lifecycle.get(id), () => ws.operations(id)]) {
    server.failNext('*', { kind: 'drop-after' })
    await call()
  }
})

test('a server that is not there is a ConnectionError that names the reason', async (t) => {
  const { server, ws } = await setUp(t, { maxRetries: 0 })
  await server.close()
  await assert.rejects(ws.list(), (error: sdk.AlcoveError) => error instanceof sdk.ConnectionError && /ECONNREFUSED/.test(error.message))
})

test('success:false in a 2xx answer is an error of the class of its code', async (t) => {
  const { server, ws } = await setUp(t)
  server.failNext(
    '*',
    { kind: 'answer', status: 200, body: '{"success":false,"code":"POOL_LIMIT_REACHED","message":"full"}' },
    { kind: 'answer', status: 200, body: '{"success":false,"message":"what"}' },
  )
  await assert.rejects(ws.create({ image: 'busybox' }), sdk.PaymentRequiredError)
  await assert.rejects(ws.create({ image: 'busybox' }), sdk.ServerError)
})

test('answers that are not of this API are refused with a hint, not returned', async (t) => {
  const { server, ws } = await setUp(t)
  const bodies = ['<html>hello</html>', '', 'null', '[]', '{}', '{"success":true}', '{"success":"yes","workspace":{}}']
  for (const body of bodies) {
    server.failNext('*', { kind: 'answer', status: 200, body })
    await assert.rejects(ws.get('ws_1'), { name: 'ServerError', code: 'invalid_answer', retryable: false }, body)
  }
  assert.equal(server.requests.length, bodies.length)
})

test('a redirect is not followed: the secret stays with the server it was meant for', async (t) => {
  const { server, ws } = await setUp(t)
  server.failNext('*', { kind: 'answer', status: 307, body: '', headers: { location: `${server.url}/elsewhere` } })
  await assert.rejects(ws.quota(), { code: 'invalid_answer', message: /elsewhere/ })
  assert.equal(server.requests.length, 1)
})

test('an abort of the caller ends a call in flight with the reason of the signal', async (t) => {
  const { server, ws } = await setUp(t)
  server.failNext('*', { kind: 'hang' }, { kind: 'hang' })
  const controller = new AbortController()
  const call = ws.create({ image: 'busybox' }, { signal: controller.signal })
  await server.seen(1)
  controller.abort()
  await assert.rejects(call, (error) => error === controller.signal.reason && (error as Error).name === 'AbortError')
  const reason = new Error('changed my mind')
  await assert.rejects(ws.quota({ signal: AbortSignal.abort(reason) }), (error) => error === reason)
  assert.equal(server.requests.length, 1)
})

test('an abort during the pause between two attempts ends the call', async (t) => {
  const { server, ws } = await setUp(t)
  server.failNext('*', unavailable({ 'retry-after': '30' }))
  const controller = new AbortController()
  const call = ws.quota({ signal: controller.signal })
  await server.seen(1)
  controller.abort(new Error('enough'))
  await assert.rejects(call, /enough/)
})

test('a call that takes too long is a TimeoutError', async (t) => {
  const { server, ws } = await setUp(t, { timeoutMs: 50 })
  server.failNext('*', { kind: 'hang' }, { kind: 'hang' })
  await assert.rejects(ws.quota(), { name: 'TimeoutError', code: 'timeout', retryable: true })
  await assert.rejects(ws.quota({ timeoutMs: 20 }), { message: /20 ms/ })
})

test('an id is one segment of the path, whatever is in it', async (t) => {
  const { server, ws } = await setUp(t)
  await assert.rejects(ws.get('a/b?c=1#d %2e'), sdk.NotFoundError)
  assert.equal(server.requests[0]?.path, '/workspace/a%2Fb%3Fc%3D1%23d%20%252e')
  for (const id of ['', '.', '..', '\ud800', undefined as unknown as string]) {
    for (const call of [ws.get(id), ws.delete(id), ws.stop(id), ws.logs(id)]) await assert.rejects(call, sdk.ValidationError)
  }
  assert.equal(server.requests.length, 1)
  // A literal segment of the API is no workspace, though the server answers it.
  await assert.rejects(ws.get('quota'), { code: 'invalid_answer' })
})

test('listAll yields every workspace once, also when one is created meanwhile', async (t) => {
  const { server, ws } = await setUp(t)
  for (let index = 0; index < 5; index++) server.addWorkspace()
  const ids: string[] = []
  for await (const workspace of ws.listAll({ limit: 2 })) {
    ids.push(workspace.id)
    if (ids.length === 2) server.addWorkspace()
  }
  assert.equal(ids.length, 5)
  assert.equal(new Set(ids).size, 5)
})

test('waitUntilReady follows a workspace that is being made', async (t) => {
  const { server, ws } = await setUp(t)
  server.createdStatus = 'creating'
  const { id, info } = await ws.create({ image: 'node-20' })
  assert.equal(info.status, 'creating')
  let looks = 0
  server.onLook = (workspace) => {
    looks++
    workspace.provisioning = { state: 'running', phase: 'preparing', message: `building node-20 (${looks} of 3)`, error: null }
    if (looks === 3) setStatus(workspace, 'running')
  }
  const messages: (string | undefined)[] = []
  const ready = await ws.waitUntilReady(id, { onProgress: (workspace) => messages.push(workspace.provisioning?.message) })
  assert.equal(ready.ready, true)
  assert.deepEqual(messages, ['building node-20 (1 of 3)', 'building node-20 (2 of 3)', 'building node-20 (3 of 3)'])
})

test('waitUntilReady ends with the failure, the stop, the deletion or the deadline of what it waits for', async (t) => {
  const { server, ws } = await setUp(t)
  const { id } = server.addWorkspace()
  const workspace = server.workspaces.get(id)
  assert.ok(workspace)
  setStatus(workspace, 'failed')
  workspace.info.failure = { code: 'IMAGE_UNAVAILABLE', message: 'no room', at: '2026-02-24T10:30:00Z' }
  await assert.rejects(ws.waitUntilReady(id), { code: 'IMAGE_UNAVAILABLE', message: 'no room' })
  setStatus(workspace, 'stopped')
  await assert.rejects(ws.waitUntilReady(id), { code: 'vm_not_running' })
  setStatus(workspace, 'creating')
  await assert.rejects(ws.waitUntilReady(id, { timeoutMs: 30 }), { name: 'TimeoutError' })
  await assert.rejects(ws.waitUntilReady(id, { signal: AbortSignal.timeout(30) }), (error) => error instanceof DOMException && error.name === 'TimeoutError')
  server.workspaces.delete(id)
  await assert.rejects(ws.waitUntilReady(id), sdk.NotFoundError)
})

test('stats, images and a path prefix in baseUrl work', async (t) => {
  const { server, ws } = await setUp(t)
  const { id } = server.addWorkspace()
  assert.equal((await ws.stats(id)).memoryTotalMB, 512)
  assert.equal((await ws.images({ search: 'node' })).images[0]?.id, 'node-20')
  assert.equal(server.requests.at(-1)?.query.search, 'node')
  const prefixed = new sdk.Alcove({ clientId, clientSecret, baseUrl: `${server.url}/api//`, maxRetries: 0 })
  await assert.rejects(prefixed.workspaces.quota(), sdk.NotFoundError)
  assert.equal(server.requests.at(-1)?.path, '/api/workspace/quota')
})

test('wrong credentials are an AuthenticationError', async (t) => {
  const { ws } = await setUp(t, { clientSecret: 'wrong' })
  await assert.rejects(ws.list(), { name: 'AuthenticationError', code: 'MISSING_USER_ID', status: 401, requestId: 'req_body' })
})

test('a client that cannot work is refused when it is made', () => {
  const good = { clientId, clientSecret, baseUrl: 'http://127.0.0.1:1' }
  for (const bad of [
    { clientId: '' },
    { clientSecret: undefined },
    { baseUrl: 'localhost:8080' },
    { baseUrl: 'ftp://x' },
    { baseUrl: 'http://u:p@x' },
    { maxRetries: -1 },
    { timeoutMs: 0 },
  ]) {
    assert.throws(() => new sdk.Alcove({ ...good, ...bad } as sdk.AlcoveOptions), TypeError, JSON.stringify(bad))
  }
})
