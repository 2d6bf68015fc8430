import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { type ContractServer, clientId, clientSecret, startContractServer } from '../../../test/support/contract-server.ts'
import { createEvents } from './events.ts'
import * as sdk from './index.ts'
import { createTransport } from './transport.ts'

interface Watch {
  readonly server: ContractServer
  readonly next: () => Promise<string | undefined>
  readonly interruptions: string[]
  readonly end: AbortController
  /** Resolves when the server holds an open stream. */
  readonly open: () => Promise<void>
}

/** Opens a stream that waits for a sign of life no longer than `silenceMs`. */
async function watch(t: TestContext, options: { silenceMs?: number; maxRetries?: number; lastEventId?: string; server?: ContractServer } = {}): Promise<Watch> {
  const server = options.server ?? (await startContractServer())
  const end = new AbortController()
  t.after(async () => {
    end.abort()
    await server.close()
  })
  const transport = createTransport({
    baseUrl: server.url,
    headers: { 'X-Client-ID': clientId, 'X-Client-Secret': clientSecret },
    fetch,
    maxRetries: options.maxRetries ?? 2,
    timeoutMs: undefined,
  })
  const interruptions: string[] = []
  const events = createEvents({ transport, ...(options.silenceMs === undefined ? {} : { silenceMs: options.silenceMs }) })
  const stream = events.stream({
    signal: end.signal,
    onInterruption: ({ message }) => interruptions.push(message),
    ...(options.lastEventId === undefined ? {} : { lastEventId: options.lastEventId }),
  })
  const next = async () => {
    const { value } = await stream.next()
    return value?.id
  }
  return { server, next, interruptions, end, open: () => opened(server) }
}

/** The stream is open once the server has put it on its list, which is a little after the request was seen. */
async function opened(server: ContractServer): Promise<void> {
  while (server.history.streams.size === 0) await new Promise((resolve) => setImmediate(resolve))
}

const last = (server: ContractServer) => server.requests.at(-1)?.headers['last-event-id']

test('a stream begins now, or behind the event it is told', async (t) => {
  const { server, next, open } = await watch(t)
  server.addWorkspace()
  const first = next()
  await open()
  server.addWorkspace()
  assert.equal(await first, '2')
  const later = await watch(t, { server, lastEventId: '0' })
  assert.deepEqual([await later.next(), await later.next()], ['1', '2'])
})

test('a connection that breaks is made again behind the last event: none is missed, none comes twice', async (t) => {
  const { server, next, interruptions, open } = await watch(t)
  let coming = next()
  const ids = []
  for (let round = 0; round < 4; round++) {
    await open()
    server.addWorkspace()
    server.addWorkspace()
    ids.push(await coming, await next())
    for (const stream of server.history.streams) round % 2 ? stream.end() : stream.destroy()
    server.history.streams.clear()
    // What happens while nobody listens comes when the connection is there again.
    server.addWorkspace()
    ids.push(await next())
    assert.equal(last(server), String(2 + round * 3))
    if (round < 3) coming = next()
  }
  assert.deepEqual(
    ids,
    Array.from({ length: 12 }, (_, index) => String(index + 1)),
  )
  assert.equal(interruptions.length, 4)
})

test('a stream that broke before its first event goes on where it began', async (t) => {
  const { server, next, open } = await watch(t)
  server.addWorkspace()
  const first = next()
  await open()
  for (const stream of server.history.streams) stream.destroy()
  server.history.streams.clear()
  server.addWorkspace()
  assert.equal(await first, '2')
  assert.equal(last(server), '1')
})

test('a silent connection is given up and made again, one with signs of life is not', async (t) => {
  const { server, next, interruptions, open } = await watch(t, { silenceMs: 1500 })
  const first = next()
  await open()
  const [stream] = server.history.streams
  // Longer than a silence may last, in comments only.
  await new Promise<void>((resolve) => {
    let beats = 0
    const timer = setInterval(() => {
      stream?.write(': alive\n\n')
      if (++beats < 20) return
      clearInterval(timer)
      resolve()
    }, 100)
  })
  assert.deepEqual(interruptions, [])
  await server.seen(2)
  assert.match(interruptions[0] ?? '', /silent for 1500 ms/)
  server.addWorkspace()
  assert.equal(await first, '1')
})

test('a server that is away is waited for once the stream was open; before that it is reported', async (t) => {
  const { server, next, open } = await watch(t, { maxRetries: 1 })
  const first = next()
  await open()
  const away = { kind: 'answer', status: 503, body: '{"success":false,"code":"service_unavailable","message":"starting"}' } as const
  server.failNext('*', away, away, { kind: 'drop-before' })
  for (const stream of server.history.streams) stream.destroy()
  server.addWorkspace()
  assert.equal(await first, '1')
  server.failNext('*', away, away)
  const late = await watch(t, { server, maxRetries: 1 })
  await assert.rejects(late.next(), { name: 'ServerError', code: 'service_unavailable' })
})

test('what does not pass ends the stream', async (t) => {
  const { server, next, open } = await watch(t)
  const first = next()
  await open()
  server.failNext('*', { kind: 'answer', status: 401, body: '{"success":false,"code":"MISSING_USER_ID","message":"revoked"}' })
  for (const stream of server.history.streams) stream.destroy()
  await assert.rejects(first, sdk.AuthenticationError)
  server.failNext('*', { kind: 'answer', status: 200, body: '{"success":true}', headers: { 'content-type': 'application/json' } })
  await assert.rejects((await watch(t, { server })).next(), { code: 'invalid_answer' })
})

test('a stream that cannot be read is an error, not an endless wait', async (t) => {
  const headers = { 'content-type': 'text/event-stream' }
  for (const body of ['data: {\n\n', 'data: null\n\n', 'data: {"id":1}\n\n', `data: ${'x'.repeat(1_100_000)}`]) {
    const { server, next } = await watch(t)
    server.failNext('*', { kind: 'answer', status: 200, body, headers })
    await assert.rejects(next(), { name: 'ServerError', code: 'invalid_answer', retryable: false }, body.slice(0, 20))
  }
})

test('an abort ends the stream with its reason, and leaving the loop ends the connection', async (t) => {
  const { server, next, end, open } = await watch(t)
  const first = next()
  await open()
  const reason = new Error('enough')
  end.abort(reason)
  await assert.rejects(first, (error) => error === reason)
  const client = new sdk.Alcove({ clientId, clientSecret, baseUrl: server.url })
  server.addWorkspace()
  for await (const { id } of client.events.stream({ lastEventId: '0' })) {
    assert.equal(id, '1')
    break
  }
  while (server.history.streams.size > 0) await new Promise((resolve) => setImmediate(resolve))
})
