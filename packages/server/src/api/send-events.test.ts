/** What the event stream promises. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import test, { type TestContext } from 'node:test'
import { limits } from '@alcove/contract'
import { createApiClient } from '../../../../test/support/api-client.ts'
import { eventually } from '../../../../test/support/api-eventually.ts'
import { openStream } from '../../../../test/support/api-stream.ts'
import { type ApiWorld, type ApiWorldOptions, headersOf, type Keys, startApiWorld } from '../../../../test/support/api-world.ts'
import { systemClock } from '../lib/clock.ts'
import * as events from '../store/events.ts'

async function setUp(t: TestContext, options: ApiWorldOptions = {}) {
  const server = await startApiWorld(t, options)
  const client = createApiClient(server.baseUrl)
  t.after(() => client[Symbol.dispose]())
  const open = async (keys: Keys = server.keys.owner, headers: Record<string, string> = {}, path?: string, method?: string) => {
    const stream = await openStream(server.baseUrl, { ...headersOf(keys), ...headers }, path, method)
    t.after(() => stream.close())
    return stream
  }
  return { server, client, open }
}

/** Adds events to an account, as a transaction of the control plane would. */
async function happen({ world }: ApiWorld, { accountId }: Keys, count: number, reason = ''): Promise<void> {
  await world.store.transaction(async (tx) => {
    for (let at = 1; at <= count; at++) {
      const states = { type: 'status', from_status: null, to_status: 'creating' } as const
      await events.append(tx, { workspace_id: 'ws_a', account_id: accountId, boot_id: null, at, ...states, actor: 'system', cause: 'host', reason })
    }
  })
}

test('a stream tells each event of its account once, in one line of data, and nothing of another account', async (t) => {
  const { server, open } = await setUp(t)
  const { owner, other } = server.keys
  await happen(server, owner, 1, 'before the stream')
  const stream = await open()
  assert.equal(stream.status, 200)
  assert.match(stream.headers['content-type'] ?? '', /^text\/event-stream/)
  assert.deepEqual([stream.headers['cache-control'], typeof stream.headers['x-request-id']], ['no-store', 'string'])
  await happen(server, other, 3)
  await happen(server, owner, 2, 'a line\nand another')
  await happen(server, owner, 1)
  const told = await stream.take(3)
  assert.deepEqual(
    told.map(({ id, event }) => [id === event.id, event.workspace_id, event.reason]),
    [
      [true, 'ws_a', 'a line\nand another'],
      [true, 'ws_a', 'a line\nand another'],
      [true, 'ws_a', ''],
    ],
  )
  const stored = await events.listAfter(server.world.store.db, { accountId: owner.accountId, after: 0, limit: 10 })
  assert.deepEqual(
    told.map(({ id }) => Number(id)),
    stored.slice(1).map(({ seq }) => seq),
  )
})

test('a stream that broke off goes on after the last event that was seen: none is lost, none told twice', async (t) => {
  const { server, open } = await setUp(t)
  const { owner } = server.keys
  const first = await open()
  await happen(server, owner, 4)
  const seen = await first.take(2)
  first.close()
  await happen(server, owner, 150)
  const last = seen.at(-1)?.id ?? ''
  const whole = (await events.listAfter(server.world.store.db, { accountId: owner.accountId, after: 0, limit: 1000 })).map(({ seq }) => String(seq))
  for (const stream of [await open(owner, { 'last-event-id': last }), await open(owner, {}, `/events?after=${last}`)]) {
    const rest = await stream.take(152)
    assert.deepEqual(
      [...seen, ...rest].map(({ id }) => id),
      whole,
    )
  }
  for (const [header, query] of [['x'], ['-1'], ['1'.repeat(16)], [undefined, 'x'], [undefined, '']]) {
    const refused = await open(owner, header === undefined ? {} : { 'last-event-id': header }, query === undefined ? undefined : `/events?after=${query}`)
    assert.equal(refused.status, 400, `${header} ${query}`)
  }
})

test('a stream that broke off before its first event goes on where it began', async (t) => {
  const { server, open } = await setUp(t)
  const { owner } = server.keys
  await happen(server, owner, 2)
  const first = await open()
  await first.comment()
  const began = first.lastEventId() ?? ''
  first.close()
  await happen(server, owner, 1, 'in between')
  const [told] = await (await open(owner, { 'last-event-id': began })).take(1)
  assert.equal(told?.event.reason, 'in between')
})

test('an account has so many streams; one that is closed frees its place, also one that was given up before it began', async (t) => {
  const held: PromiseWithResolvers<void>[] = []
  let isHolding = false
  const { server, open } = await setUp(t, {
    over: ({ authenticate }) => ({
      async authenticate(...given) {
        const principal = await authenticate(...given)
        if (isHolding) {
          const hold = Promise.withResolvers<void>()
          held.push(hold)
          await hold.promise
        }
        return principal
      },
    }),
  })
  const { owner, other } = server.keys
  // Readers that are gone before they are let in.
  isHolding = true
  const sockets = Array.from({ length: limits.eventStreams }, () => connect(server.port, '127.0.0.1'))
  const lines = Object.entries(headersOf(owner)).map(([name, value]) => `${name}: ${value}\r\n`)
  for (const socket of sockets) socket.write(`GET /events HTTP/1.1\r\nHost: x\r\n${lines.join('')}\r\n`)
  await eventually(() => held.length === sockets.length)
  for (const socket of sockets) socket.destroy()
  await eventually(async () => (await connections(server)) === 0)
  isHolding = false
  for (const hold of held) hold.resolve()

  // They may still be on their way out.
  const opened: Awaited<ReturnType<typeof open>>[] = []
  await eventually(async () => {
    const stream = await open()
    if (stream.status === 200) opened.push(stream)
    return opened.length === limits.eventStreams
  })
  const refused = await Promise.all(Array.from({ length: 4 }, () => open()))
  assert.deepEqual(
    refused.map(({ status, headers }) => [status, headers['retry-after'] !== undefined]),
    Array(4).fill([429, true]),
  )
  assert.equal((await open(other)).status, 200, 'the places of one account are not those of another')
  opened[0]?.close()
  await eventually(async () => (await open()).status === 200)
})

test('streams that are asked for at once are counted as well', async (t) => {
  const { open } = await setUp(t)
  const streams = await Promise.all(Array.from({ length: limits.eventStreams + 8 }, () => open()))
  assert.equal(streams.filter(({ status }) => status === 200).length, limits.eventStreams)
})

test('asking for the headers alone opens no stream', async (t) => {
  const { client, server } = await setUp(t)
  for (let count = 0; count < limits.eventStreams + 4; count++) {
    const { status, headers } = await client.send({ method: 'HEAD', path: '/events?after=0', headers: headersOf(server.keys.owner) })
    assert.deepEqual([status, headers['content-type']], [200, 'text/event-stream; charset=utf-8'])
  }
})

test('a silent stream is kept alive by comments', async (t) => {
  const beats: (() => void)[] = []
  const every = (ms: number, fn: () => void) => {
    assert.ok(ms <= 30_000, 'common proxies close a connection that is silent for a minute, some for half of it')
    beats.push(fn)
    return () => void beats.splice(beats.indexOf(fn), 1)
  }
  const { open } = await setUp(t, { over: () => ({ clock: { ...systemClock, every } }) })
  const stream = await open()
  assert.equal(await stream.comment(), 'connected')
  for (const beat of beats) beat()
  assert.equal(await stream.comment(), 'alive')
  stream.close()
  await eventually(() => beats.length === 0)
})

test('a reader that does not read is given up, and until then nothing is piled up for it', async (t) => {
  const stalls: AbortController[] = []
  const deadline = () => {
    const controller = new AbortController()
    stalls.push(controller)
    return controller.signal
  }
  const { server, open } = await setUp(t, { over: () => ({ clock: { ...systemClock, deadline } }) })
  const { owner } = server.keys
  const sockets = new Set<{ writableLength: number }>()
  server.app.server.on('connection', (socket) => sockets.add(socket))
  const stream = await open()
  stream.stopReading()
  // 40 MB: more than the sockets of both sides hold.
  const reason = 'x'.repeat(400_000)
  for (let round = 0; round < 10; round++) await happen(server, owner, 10, reason)
  await eventually(() => stalls.length > 0)
  const waiting = [...sockets].reduce((sum, { writableLength }) => sum + writableLength, 0)
  assert.ok(waiting < 2_000_000, `${waiting} bytes wait in the server`)
  for (const stall of stalls) stall.abort(new Error('too late'))
  await eventually(async () => (await connections(server)) === 0)
})

test('closing the server ends its streams', async (t) => {
  const { server, open } = await setUp(t)
  const stream = await open()
  await stream.comment()
  await Promise.all([server.app.close(), stream.closed])
})

function connections({ app }: ApiWorld): Promise<number> {
  return new Promise((resolve, reject) => app.server.getConnections((error, count) => (error ? reject(error) : resolve(count))))
}
