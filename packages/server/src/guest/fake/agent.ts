/** An agent without a VM, with knobs for everything that may be wrong with one. Passes the conformance suite of the real one. */
import { randomBytes } from 'node:crypto'
import { createServer as createHttp2Server, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import { createServer, type Socket } from 'node:net'
import type { Clock } from '../../lib/clock.ts'
import type { GuestConfiguration, GuestInfo, GuestStats } from '../guest.ts'
import { servePort } from './port.ts'

/** What is wrong with the agent; may be changed at any time. */
export interface FakeKnobs {
  /** Takes bytes and says nothing, as a VM that never boots. */
  silent?: boolean
  /** Answers every byte with random ones. */
  garbage?: boolean
  /** Waits this long before each answer, ms. */
  slowMs?: number
  /** Answers with this many bytes of JSON. */
  hugeBytes?: number
  /** Answers with exactly this text. */
  answer?: string
  /** Writes this to the port after READY, past the session layer. */
  breach?: Buffer
  /** Bytes of a dead session that a new connection finds. */
  stale?: Buffer
  /** `configure` ends as failed with this message. */
  configureFails?: string
}

/** A running fake. */
export interface FakeAgent {
  readonly knobs: FakeKnobs
  /** Configuration that was applied, if any. */
  readonly configuration: GuestConfiguration | undefined
  /** Time it was told last, ms since the epoch. */
  readonly timeMs: number | undefined
  /** Whether a shutdown was asked for; the socket closes then, as that of a VM that ends. */
  readonly isShutDown: boolean
  close(): Promise<void>
}

const maxBodyBytes = 1024 * 1024

/** Starts a fake agent that listens where the VMM would. */
export async function startFakeAgent({
  socketPath,
  clock,
  knobs = {},
}: {
  readonly socketPath: string
  readonly clock: Clock
  readonly knobs?: FakeKnobs
}): Promise<FakeAgent> {
  const startedAt = clock.monotonic()
  let configuration: GuestConfiguration | undefined
  let timeMs: number | undefined
  let isShutDown = false
  const sockets = new Set<Socket>()
  const sessions = new Set<ServerHttp2Session>()

  const info = (): GuestInfo => ({
    bootId: configuration?.bootId ?? '',
    kernelRelease: '6.1.0-fake',
    kernelVersion: '#1 SMP',
    machine: 'x86_64',
    hostname: configuration?.hostname ?? '(none)',
    agentVersion: 'fake',
    uptimeSeconds: (clock.monotonic() - startedAt) / 1000,
    cpus: 1,
    memoryTotalBytes: 120 * 1024 * 1024,
    phase: configuration ? (knobs.configureFails === undefined ? 'ready' : 'failed') : 'waiting',
    message: (configuration && knobs.configureFails) ?? '',
    start: configuration?.start ? { state: 'running', pid: 100, exitCode: null, message: '' } : { state: 'none', pid: 0, exitCode: null, message: '' },
  })
  const stats = (): GuestStats => ({
    uptimeSeconds: (clock.monotonic() - startedAt) / 1000,
    cpuBusyMs: 10,
    cpuTotalMs: Math.round(clock.monotonic() - startedAt) + 10,
    memoryTotalBytes: 120 * 1024 * 1024,
    memoryUsedBytes: 20 * 1024 * 1024,
    diskTotalBytes: configuration ? 64 * 1024 * 1024 : 0,
    diskUsedBytes: configuration ? 1024 * 1024 : 0,
  })

  function answer(route: string, body: string): { status: number; value: unknown } {
    switch (route) {
      case 'GET /agent/v1/info':
        return { status: 200, value: info() }
      case 'GET /agent/v1/stats':
        return { status: 200, value: stats() }
      case 'POST /agent/v1/configure': {
        const given = JSON.parse(body) as GuestConfiguration
        if (configuration && configuration.bootId !== given.bootId) return { status: 409, value: { error: 'this VM belongs to another boot' } }
        configuration ??= given
        return { status: 200, value: info() }
      }
      case 'POST /agent/v1/time':
        timeMs = (JSON.parse(body) as { timeMs: number }).timeMs
        return { status: 200, value: {} }
      case 'POST /agent/v1/shutdown':
        isShutDown = true
        return { status: 200, value: {} }
      default:
        return { status: 404, value: { error: 'no such route' } }
    }
  }

  const http = createHttp2Server()
  http.on('session', (session) => {
    sessions.add(session)
    session.on('error', () => {})
    session.on('close', () => sessions.delete(session))
  })
  http.on('stream', async (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => {})
    const body = await readBody(stream)
    if (knobs.slowMs) await clock.sleep(knobs.slowMs)
    const { status, value } = body === undefined ? { status: 413, value: { error: 'too large' } } : answer(`${headers[':method']} ${headers[':path']}`, body)
    if (stream.destroyed) return
    stream.respond({ ':status': status, 'content-type': 'application/json' })
    stream.end(knobs.hugeBytes ? Buffer.alloc(knobs.hugeBytes, ' ') : (knobs.answer ?? JSON.stringify(value)))
    if (isShutDown) stream.once('close', () => server.close())
    if (isShutDown) stream.once('close', () => setImmediate(() => destroyAll(sockets)))
  })

  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {})
    if (knobs.silent) socket.resume()
    else if (knobs.garbage) socket.on('data', () => socket.write(randomBytes(4096)))
    else
      servePort(socket, {
        onSession: (session) => {
          http.emit('connection', session)
          if (knobs.breach) socket.write(knobs.breach)
        },
        ...(knobs.stale ? { stale: knobs.stale } : {}),
      })
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(socketPath, resolve)
  })

  return {
    knobs,
    get configuration() {
      return configuration
    },
    get timeMs() {
      return timeMs
    },
    get isShutDown() {
      return isShutDown
    },
    async close() {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const session of sessions) session.destroy()
      destroyAll(sockets)
      await closed
    },
  }
}

function destroyAll(sockets: Iterable<Socket>): void {
  for (const socket of sockets) socket.destroy()
}

/** Reads a body; `undefined` when it is too large. */
async function readBody(stream: ServerHttp2Stream): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let size = 0
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      size += chunk.length
      if (size > maxBodyBytes) return undefined
      chunks.push(chunk)
    }
  } catch {
    // A stream that was reset has no one who waits for the answer.
    return undefined
  }
  return Buffer.concat(chunks).toString('utf8')
}
