/** What the HTTP layer promises, over a host in memory. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import test from 'node:test'
import { type ApiWorld, headersOf, startApiWorld } from '../../../../test/support/api-world.ts'

type Body = { readonly [key: string]: unknown }
interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Body
  readonly error: { readonly code: string; readonly message: string; readonly details: Body; readonly requestId: string }
}

async function call(server: ApiWorld, method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
  const response = await fetch(server.baseUrl + path, {
    method,
    headers: { ...headersOf(server.keys.owner), ...(text === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(text === undefined ? {} : { body: text }),
  })
  const answer = (await response.json()) as Body
  return { status: response.status, headers: response.headers, body: answer, error: answer as never }
}

async function raw(server: ApiWorld, bytes: string): Promise<string> {
  const socket = connect(server.port, '127.0.0.1')
  socket.end(bytes)
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk
  })
  socket.on('error', () => {})
  await once(socket, 'close')
  return text
}

function assertRefused(answer: Answer, status: number, code: string): void {
  const { success, error, requestId } = answer.body
  assert.deepEqual({ status: answer.status, code: answer.error.code, success, error }, { status, code, success: false, error: code })
  assert.equal(requestId, answer.headers.get('x-request-id'))
}

test('a workspace is created, listed, changed and deleted', async (t) => {
  const server = await startApiWorld(t)
  const created = await call(server, 'POST', '/workspace', { name: 'my-app', image: 'busybox', namespace: 'production', vcpus: 3, config: { cpus: 2 } })
  assert.equal(created.status, 201)
  const { id, name } = created.body.workspace as { id: string; name: string }
  assert.equal(name, 'my-app')
  const list = await call(server, 'GET', '/workspace?limit=1000&mode=temporary')
  assert.deepEqual([list.body.total, list.body.page, list.body.limit], [1, 1, 100])
  const updated = await call(server, 'PUT', `/workspace/${id}`, { name: 'renamed', config: { cpus: 3 } })
  assert.deepEqual([(updated.body.workspace as { name: string }).name, updated.body.restart_required], ['renamed', true])
  assert.equal((await call(server, 'GET', `/workspace/${id}/details`)).status, 200)
  assert.deepEqual((await call(server, 'DELETE', `/workspace/${id}`)).body, { success: true, message: 'Workspace deleted' })
  assertRefused(await call(server, 'GET', `/workspace/${id}`), 404, 'not_found')
})

test('an empty body with a JSON content type is an empty object', async (t) => {
  const server = await startApiWorld(t)
  const json = { 'content-type': 'application/json' }
  assertRefused(await call(server, 'POST', '/workspace', '', json), 400, 'INVALID_IMAGE')
  const { id } = (await call(server, 'POST', '/workspace', { image: 'busybox' })).body.workspace as { id: string }
  for (const verb of ['stop', 'start', 'restart']) assert.equal((await call(server, 'POST', `/workspace/${id}/${verb}`, undefined, json)).status, 200)
  assert.equal((await call(server, 'PUT', `/workspace/${id}`, undefined, json)).status, 200)
  assert.equal((await call(server, 'DELETE', `/workspace/${id}`, undefined, json)).status, 200)
})

test('bodies that are broken, too large, too deep or of another type are refused', async (t) => {
  const server = await startApiWorld(t)
  const refuse = async (body: string, status: number, code: string, headers = {}) =>
    assertRefused(await call(server, 'POST', '/workspace', body, headers), status, code)
  await refuse('{"image":', 400, 'bad_request')
  await refuse('{"image":NaN}', 400, 'bad_request')
  await refuse('[]', 400, 'validation_error')
  await refuse('null', 400, 'validation_error')
  await refuse('['.repeat(200_000), 400, 'bad_request')
  await refuse(`{"x":{${Array.from({ length: 10_001 }, (_, key) => `"${key}":1`).join(',')}}}`, 400, 'bad_request')
  await refuse(`{"image":"${'x'.repeat(1_048_576)}"}`, 413, 'payload_too_large')
  await refuse('{}', 415, 'unsupported_media_type', { 'content-type': 'text/plain' })
  await refuse('{}', 415, 'unsupported_media_type', { 'content-type': 'application/json; charset=utf-16' })
  await refuse('{}', 415, 'unsupported_media_type', { 'content-encoding': 'gzip' })
  assertRefused(await call(server, 'POST', '/workspace', '{"image":"busybox","config":{"cpus":1e400}}'), 400, 'INVALID_CONFIG')
  assertRefused(await call(server, 'POST', '/workspace', '{"image":"busybox","config":{"__proto__":{"cpus":1}}}'), 400, 'INVALID_CONFIG')
})

test('a chunked body over the limit is refused while it is sent', async (t) => {
  const server = await startApiWorld(t)
  const block = new Uint8Array(65_536).fill(0x20)
  const body = new ReadableStream({
    start(controller) {
      for (let index = 0; index < 20; index++) controller.enqueue(block)
      controller.close()
    },
  })
  const response = await fetch(`${server.baseUrl}/workspace`, {
    method: 'POST',
    headers: { ...headersOf(server.keys.owner), 'content-type': 'application/json' },
    body,
    duplex: 'half',
  } as RequestInit)
  assert.equal(response.status, 413)
})

test('credentials are judged before the body is read', async (t) => {
  const server = await startApiWorld(t)
  const answer = await raw(server, 'POST /workspace HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n')
  assert.match(answer, /^HTTP\/1\.1 401 /)
  for (const headers of [{ 'x-client-id': '' }, { 'x-client-id': 'a, a' }, { 'x-client-secret': 'x'.repeat(300) }, { 'x-client-secret': 'wrong' }]) {
    assertRefused(await call(server, 'GET', '/workspace', undefined, headers), 401, 'MISSING_USER_ID')
  }
})

test('what is not HTTP is answered in the envelope', async (t) => {
  const server = await startApiWorld(t)
  const cases: [string, number, string][] = [
    [`GET /health HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(20_000)}\r\n\r\n`, 431, 'headers_too_large'],
    ['hello\r\n\r\n', 400, 'bad_request'],
    ['CONNECT health:80 HTTP/1.1\r\nHost: x\r\n\r\n', 405, 'method_not_allowed'],
    ['GET /workspace/%zz HTTP/1.1\r\nHost: x\r\n\r\n', 400, 'bad_request'],
    ['GET /%c0%ae HTTP/1.1\r\nConnection: close\r\n\r\n', 400, 'bad_request'],
    ['GET /nowhere HTTP/1.1\r\nExpect: the-moon\r\nConnection: close\r\n\r\n', 404, 'not_found'],
    // As any other id: nothing is said of it before the credentials are judged.
    [`GET /workspace/${'a'.repeat(2000)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`, 401, 'MISSING_USER_ID'],
  ]
  for (const [bytes, status, code] of cases) {
    const answer = await raw(server, bytes)
    assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `), `${bytes.slice(0, 40)} → ${answer.slice(0, 60)}`)
    assert.equal(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n'))).code, code)
  }
})

test('a known path with another method is 405 with Allow, OPTIONS names the methods', async (t) => {
  const server = await startApiWorld(t)
  const answer = await call(server, 'PATCH', '/workspace/ws_a')
  assertRefused(answer, 405, 'method_not_allowed')
  assert.equal(answer.headers.get('allow'), 'DELETE, GET, HEAD, OPTIONS, PUT')
  const options = await fetch(`${server.baseUrl}/workspace/quota`, { method: 'OPTIONS' })
  assert.deepEqual([options.status, options.headers.get('access-control-allow-origin')], [204, null])
  assert.equal((await fetch(`${server.baseUrl}/health`, { method: 'HEAD' })).status, 200)
})

test('wrong query values are refused, unknown parameters are not', async (t) => {
  const server = await startApiWorld(t)
  for (const query of ['page=0', 'page=x', 'page=1&page=2', 'limit=0', 'limit=1.5', 'limit=1e3', 'mode=', 'mode=other', 'status=gone', 'namespace=a%00b']) {
    assertRefused(await call(server, 'GET', `/workspace?${query}`), 400, 'validation_error')
  }
  assertRefused(await call(server, 'GET', '/workspace?namespace=%E0%A4%A'), 400, 'bad_request')
  assert.equal((await call(server, 'GET', '/workspace?page=2&other=1')).status, 200)
  assertRefused(await call(server, 'GET', '/workspace/ws_a/logs?tail_lines=10001'), 400, 'validation_error')
})

test('a request id of the caller is kept when it is harmless', async (t) => {
  const server = await startApiWorld(t)
  const kept = await call(server, 'GET', '/workspace/ws_none', undefined, { 'x-request-id': 'trace-0123456789' })
  assert.equal(kept.error.requestId, 'trace-0123456789')
  const replaced = await call(server, 'GET', '/workspace/ws_none', undefined, { 'x-request-id': 'a b"{}' })
  assert.match(replaced.error.requestId, /^req_[a-z2-7]{12}-[0-9a-z]+$/)
})

test('an error nobody registered tells nothing, a limit tells its numbers', async (t) => {
  const server = await startApiWorld(t, {
    plans: { two: { maxSandboxes: 2 } },
    plan: 'two',
    over: ({ workspaces }) => ({
      workspaces: {
        ...workspaces,
        get: () => Promise.reject(new Error('secret of the store')),
        // A field that the schema does not know stays inside; a missing one is our bug.
        stats: async () => ({ cpuUsage: 1, inner: 'secret of the store' }) as never,
      },
    }),
  })
  for (const path of ['/workspace/ws_a', '/workspace/ws_a/stats']) {
    const answer = await call(server, 'GET', path)
    assertRefused(answer, 500, 'internal_error')
    assert.doesNotMatch(JSON.stringify(answer.body), /secret/)
  }
  for (let count = 0; count < 2; count++) assert.equal((await call(server, 'POST', '/workspace', { image: 'busybox' })).status, 201)
  const refused = await call(server, 'POST', '/workspace', { image: 'busybox' })
  assertRefused(refused, 402, 'SANDBOX_LIMIT_REACHED')
  assert.deepEqual([refused.body.current, refused.body.max, refused.error.details], [2, 2, { current: 2, max: 2 }])
})

test('an answer holds only what its schema declares', async (t) => {
  const server = await startApiWorld(t, {
    over: ({ workspaces }) => ({
      workspaces: {
        ...workspaces,
        async create(...given) {
          const { workspace, operationId } = await workspaces.create(...given)
          return { workspace: { ...workspace, account_id: 'acc_inner' } as typeof workspace, operationId }
        },
      },
    }),
  })
  const { status, body } = await call(server, 'POST', '/workspace', { image: 'busybox' })
  assert.deepEqual([status, (body.workspace as Body).account_id], [201, undefined])
})

test('an idempotency key is taken from the header or the body, and bound to what is asked for, however it is written', async (t) => {
  const server = await startApiWorld(t)
  const first = await call(server, 'POST', '/workspace', { image: 'busybox', config: { cpus: 1, memory_mb: 128 } }, { 'idempotency-key': 'k1' })
  const again = await call(server, 'POST', '/workspace', { config: { memory_mb: 128, cpus: 1 }, idempotency_key: 'k1', image: 'busybox' })
  assert.deepEqual(again.body, first.body)
  assertRefused(await call(server, 'POST', '/workspace', { image: 'busybox', name: 'b', idempotency_key: 'k1' }), 422, 'idempotency_mismatch')
  assertRefused(await call(server, 'POST', '/workspace', { image: 'busybox', idempotency_key: 'k1' }, { 'idempotency-key': 'k2' }), 400, 'validation_error')
  assertRefused(await call(server, 'POST', '/workspace', { image: 'busybox', idempotency_key: 7 }), 400, 'validation_error')
})

test('only listed origins get the headers of CORS', async (t) => {
  const server = await startApiWorld(t, { over: () => ({ corsOrigins: ['https://console.example'] }) })
  const ask = (origin: string) =>
    fetch(`${server.baseUrl}/workspace`, {
      method: 'OPTIONS',
      headers: { origin, 'access-control-request-method': 'POST', 'access-control-request-headers': 'x-client-id' },
    })
  const listed = await ask('https://console.example')
  assert.deepEqual([listed.status, listed.headers.get('access-control-allow-origin')], [204, 'https://console.example'])
  assert.match(listed.headers.get('access-control-allow-headers') ?? '', /if-match, last-event-id, .*x-client-secret/)
  assert.equal((await ask('https://evil.example')).headers.get('access-control-allow-origin'), null)
})

test('health, the document and the metrics are public and name no account', async (t) => {
  const server = await startApiWorld(t)
  await call(server, 'GET', '/workspace')
  assert.deepEqual(await (await fetch(`${server.baseUrl}/health`)).json(), { success: true, status: 'ok', version: '0.0.0' })
  assert.equal(((await (await fetch(`${server.baseUrl}/openapi.json`)).json()) as Body).openapi, '3.1.0')
  const metrics = await (await fetch(`${server.baseUrl}/metrics`)).text()
  assert.match(metrics, /alcove_http_requests_total\{operation="listWorkspaces",status="200"\} 1/)
  for (const { accountId, clientId } of Object.values(server.keys)) assert.ok(!metrics.includes(accountId) && !metrics.includes(clientId))
})

test('closing does not wait for idle connections, and lets a request in progress end', async (t) => {
  const answered = Promise.withResolvers<never[]>()
  const asked = Promise.withResolvers<void>()
  const images = async () => {
    asked.resolve()
    return { images: await answered.promise, categories: [] }
  }
  const server = await startApiWorld(t, { over: ({ workspaces }) => ({ workspaces: { ...workspaces, images } }) })
  await (await fetch(`${server.baseUrl}/health`)).text()
  const pending = call(server, 'GET', '/workspace/images')
  await asked.promise
  const closed = server.app.close()
  answered.resolve([])
  assert.equal((await pending).status, 200)
  await closed
})

test('a request that never ends is answered with 408 in the envelope, and its connection closes', async (t) => {
  const server = await startApiWorld(t)
  const accepted = once(server.app.server, 'connection')
  const socket = connect(server.port, '127.0.0.1')
  socket.write('POST /workspace HTTP/1.1\r\nContent-Le')
  const [serverSide] = await accepted
  // What Node raises when its deadline has passed; waiting for the real one would take 10 s.
  server.app.server.emit('clientError', Object.assign(new Error('slow'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' }), serverSide)
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk
  })
  await once(socket, 'close')
  assert.match(text, /^HTTP\/1\.1 408 Request Timeout\r\n/)
  assert.equal(JSON.parse(text.slice(text.indexOf('\r\n\r\n'))).code, 'request_timeout')
})
