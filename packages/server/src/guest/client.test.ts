import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { guestConformance } from '../../../../test/conformance/guest.ts'
import { eventually, guestConfiguration } from '../../../../test/support/guest-configuration.ts'
import { systemClock } from '../lib/clock.ts'
import { GuestGoneError } from './channel.ts'
import { createConnectGuest, GuestTimeoutError } from './client.ts'
import { type FakeKnobs, startFakeAgent } from './fake/agent.ts'
import { GuestProtocolError, nonceBytes, renderData, renderReady } from './frame.ts'

const deadlines = { info: 500, configure: 500, stats: 500, time: 500, shutdown: 500 }
const connectGuest = createConnectGuest({ clock: systemClock, deadlines })

async function socketOf(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'agent-client-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  return join(directory, 'agent.sock')
}

async function fake(t: TestContext, knobs: FakeKnobs = {}) {
  const socketPath = await socketOf(t)
  const agent = await startFakeAgent({ socketPath, clock: systemClock, knobs })
  t.after(() => agent.close())
  return { agent, connect: (ms = 5000) => connectGuest(socketPath, { signal: systemClock.deadline(ms) }), socketPath }
}

test('the fake agent conforms', async (t) => {
  const { socketPath } = await fake(t)
  await guestConformance(t, { socketPath })
})

test('connecting to a VM that never answers ends with its signal', async (t) => {
  const { connect } = await fake(t, { silent: true })
  await assert.rejects(connect(200), { name: 'TimeoutError' })
})

test('connecting to a VM that answers garbage ends with its signal', async (t) => {
  const { connect } = await fake(t, { garbage: true })
  await assert.rejects(connect(300), { name: 'TimeoutError' })
})

test('connecting to a VM that is gone says so', async (t) => {
  const path = await socketOf(t)
  await assert.rejects(connectGuest(path, { signal: systemClock.deadline(20_000) }), GuestGoneError)
})

test('a socket that is there later is found', async (t) => {
  const socketPath = await socketOf(t)
  const connecting = connectGuest(socketPath, { signal: systemClock.deadline(10_000) })
  await systemClock.sleep(100)
  const agent = await startFakeAgent({ socketPath, clock: systemClock })
  t.after(() => agent.close())
  const guest = await connecting
  assert.equal((await guest.info()).phase, 'waiting')
  guest.close()
})

test('a VM that ends before its agent answers is gone', async (t) => {
  const { agent, connect } = await fake(t, { silent: true })
  const connecting = assert.rejects(connect(20_000), GuestGoneError)
  await systemClock.sleep(100)
  await agent.close()
  await connecting
})

test('bytes of a dead session are skipped', async (t) => {
  const old = randomBytes(nonceBytes)
  const { connect } = await fake(t, { stale: Buffer.concat([randomBytes(20), ...renderData(old, randomBytes(50_000)), renderReady(old)]) })
  const guest = await connect()
  assert.equal((await guest.info()).phase, 'waiting')
  guest.close()
})

for (const [what, breach] of Object.entries({
  'random bytes': Buffer.alloc(500, 0x11),
  'a frame of another session': Buffer.concat(renderData(randomBytes(nonceBytes), Buffer.from('x'))),
  'an answer to another session': renderReady(randomBytes(nonceBytes)),
  'a frame that is too long': Buffer.from([0xd7, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]),
})) {
  test(`${what} after the handshake end the connection with a clear error`, async (t) => {
    const { connect } = await fake(t, { breach })
    await assert.rejects(async () => {
      const guest = await connect()
      await eventually(
        () => guest.info(),
        () => false,
        2000,
      )
    }, GuestProtocolError)
  })
}

for (const [what, knobs] of Object.entries<FakeKnobs>({
  'no JSON': { answer: 'hello' },
  'JSON of another shape': { answer: '{"bootId":7}' },
  'a field too many': {
    answer: '{"uptimeSeconds":1,"cpuBusyMs":1,"cpuTotalMs":1,"memoryTotalBytes":1,"memoryUsedBytes":1,"diskTotalBytes":1,"diskUsedBytes":1,"x":1}',
  },
  'a negative number': {
    answer: '{"uptimeSeconds":1,"cpuBusyMs":-1,"cpuTotalMs":1,"memoryTotalBytes":1,"memoryUsedBytes":1,"diskTotalBytes":1,"diskUsedBytes":1}',
  },
  'deep nesting': { answer: '['.repeat(30_000) },
  'a huge answer': { hugeBytes: 50 * 1024 * 1024 },
})) {
  test(`${what} is refused and ends the connection`, async (t) => {
    const { connect } = await fake(t, knobs)
    const guest = await connect()
    await assert.rejects(guest.stats(), GuestProtocolError)
    await assert.rejects(guest.info(), GuestProtocolError)
  })
}

test('a slow answer ends the call and not the connection', async (t) => {
  const { agent, connect } = await fake(t, { slowMs: 1000 })
  const guest = await connect()
  await assert.rejects(guest.stats(), GuestTimeoutError)
  agent.knobs.slowMs = 0
  assert.equal((await guest.info()).phase, 'waiting')
  guest.close()
})

test('an aborted call rejects with the reason of its signal', async (t) => {
  const { connect } = await fake(t, { slowMs: 400 })
  const guest = await connect()
  await assert.rejects(guest.info(AbortSignal.timeout(20)), { name: 'TimeoutError' })
  await assert.rejects(guest.info(AbortSignal.abort(new Error('changed my mind'))), /changed my mind/)
  guest.close()
})

test('a VM that ends fails the call in flight at once', async (t) => {
  const { agent, connect } = await fake(t, { slowMs: 400 })
  const guest = await connect()
  const call = assert.rejects(guest.info(), GuestGoneError)
  await agent.close()
  await call
})

test('a failed configuration is an answer with its message', async (t) => {
  const { connect } = await fake(t, { configureFails: 'no disk has the serial "disk"' })
  const guest = await connect()
  const info = await guest.configure(guestConfiguration())
  assert.equal(info.phase, 'failed')
  assert.match(info.message, /no disk/)
  guest.close()
})

test('a closed client refuses calls and leaves no socket', async (t) => {
  const path = await socketOf(t)
  const sockets = new Set<unknown>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    socket.resume()
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  t.after(() => server.close())
  await assert.rejects(connectGuest(path, { signal: systemClock.deadline(100) }))
  await eventually(
    async () => sockets.size,
    (size) => size === 0,
    5000,
  )
})
