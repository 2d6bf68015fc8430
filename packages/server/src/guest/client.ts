/** The agent's HTTP API as methods: a deadline for each call, a bound for each answer, and no answer trusted before it is parsed. */
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2'
import type { Duplex } from 'node:stream'
import { type Clock, systemClock } from '../lib/clock.ts'
import { AcceptedAnswer, ErrorAnswer, InfoAnswer, StatsAnswer } from './answers.ts'
import { GuestGoneError, openChannel } from './channel.ts'
import { GuestProtocolError } from './frame.ts'
import type { ConnectGuest, GuestClient } from './guest.ts'
import { Untrusted } from './untrusted.ts'

/** How long each call may take, ms. */
export interface GuestDeadlines {
  readonly info: number
  readonly configure: number
  readonly stats: number
  readonly time: number
  readonly shutdown: number
}

const defaultDeadlines: GuestDeadlines = { info: 10_000, configure: 120_000, stats: 10_000, time: 5_000, shutdown: 10_000 }
/** Largest answer, bytes; the real ones have less than 2 KiB, but for a long message. */
const maxAnswerBytes = 64 * 1024

/** The agent refused a call. */
export class GuestRefusedError extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(`the guest agent refused: ${message}`)
    this.name = 'GuestRefusedError'
    this.status = status
  }
}

/** The agent did not answer in time. */
export class GuestTimeoutError extends Error {
  constructor(call: string, ms: number) {
    super(`the guest agent did not answer ${call} within ${ms} ms`)
    this.name = 'GuestTimeoutError'
  }
}

interface Call {
  readonly name: keyof GuestDeadlines
  readonly method: 'GET' | 'POST'
  readonly body?: unknown
  readonly signal: AbortSignal | undefined
}

/** Makes the function that connects to agents. @throws what {@link openChannel} and the calls of the client throw */
export function createConnectGuest({ clock, deadlines = defaultDeadlines }: { readonly clock: Clock; readonly deadlines?: GuestDeadlines }): ConnectGuest {
  return async (socketPath, { signal }) => createClient(await openChannel(socketPath, { signal, clock }), clock, deadlines)
}

/** Connects to agents by the machine's clock. */
export const connectGuest: ConnectGuest = createConnectGuest({ clock: systemClock })

function createClient(channel: Duplex, clock: Clock, deadlines: GuestDeadlines): GuestClient {
  const session = openSession(channel)
  let broken: Error | undefined
  const breakWith = (error: Error) => {
    broken ??= error
    session.destroy()
    channel.destroy()
  }
  channel.on('error', breakWith)
  channel.on('close', () => breakWith(new GuestGoneError('the connection to the VM was closed')))
  session.on('error', (error) => breakWith(new GuestProtocolError(error.message)))
  session.on('close', () => breakWith(new GuestGoneError('the guest agent closed the connection')))

  async function call({ name, method, body, signal }: Call): Promise<Untrusted> {
    signal?.throwIfAborted()
    if (broken) throw broken
    const deadline = clock.deadline(deadlines[name])
    const ends = signal ? AbortSignal.any([deadline, signal]) : deadline
    try {
      const answer = await exchange(session, { method, path: `/agent/v1/${name}`, body, signal: ends })
      if (answer.status === 200) return new Untrusted(answer.body)
      throw new GuestRefusedError(answer.status, new Untrusted(answer.body).parse(ErrorAnswer, 'the error').error)
    } catch (error) {
      if (error instanceof GuestProtocolError) breakWith(error)
      if (broken) throw broken
      if (signal?.aborted) throw signal.reason
      if (deadline.aborted) throw new GuestTimeoutError(name, deadlines[name])
      throw error
    }
  }

  /** A malformed answer ends the connection: a guest that lies once is not asked again. */
  async function parsed<T>(answer: Untrusted, parse: (answer: Untrusted) => T): Promise<T> {
    try {
      return parse(answer)
    } catch (error) {
      if (error instanceof Error) breakWith(error)
      throw error
    }
  }

  return {
    info: async (signal) => parsed(await call({ name: 'info', method: 'GET', signal }), (answer) => answer.parse(InfoAnswer, 'the info')),
    configure: async (configuration, signal) =>
      parsed(await call({ name: 'configure', method: 'POST', body: configuration, signal }), (answer) => answer.parse(InfoAnswer, 'the info')),
    stats: async (signal) => parsed(await call({ name: 'stats', method: 'GET', signal }), (answer) => answer.parse(StatsAnswer, 'the stats')),
    setTime: async (timeMs, signal) => {
      const answer = await call({ name: 'time', method: 'POST', body: { timeMs }, signal })
      await parsed(answer, (given) => given.parse(AcceptedAnswer, 'the answer to time'))
    },
    shutdown: async (graceMs, signal) => {
      const answer = await call({ name: 'shutdown', method: 'POST', body: { graceMs }, signal })
      await parsed(answer, (given) => given.parse(AcceptedAnswer, 'the answer to shutdown'))
    },
    close: () => breakWith(new GuestGoneError('the connection to the VM was closed by this side')),
  }
}

function openSession(channel: Duplex): ClientHttp2Session {
  return connect('http://guest', {
    createConnection: () => channel,
    // A guest pushes nothing, and its headers and frames stay small whatever it would like.
    settings: { enablePush: false, initialWindowSize: 256 * 1024, maxHeaderListSize: 8192 },
    maxHeaderListPairs: 64,
    maxSessionMemory: 4,
    maxReservedRemoteStreams: 0,
  })
}

interface Exchange {
  readonly method: string
  readonly path: string
  readonly body: unknown
  readonly signal: AbortSignal
}

function exchange(session: ClientHttp2Session, { method, path, body, signal }: Exchange): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const stream: ClientHttp2Stream = session.request(
      { ':method': method, ':path': path, 'content-type': 'application/json' },
      { endStream: body === undefined },
    )
    const chunks: Buffer[] = []
    let size = 0
    let status = 0
    const onAbort = () => stream.destroy(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    stream.on('response', (headers) => {
      status = headers[':status'] ?? 0
    })
    stream.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > maxAnswerBytes) stream.destroy(new GuestProtocolError(`an answer of more than ${maxAnswerBytes} bytes`))
      else chunks.push(chunk)
    })
    stream.on('error', reject)
    stream.on('end', () => resolve({ status, body: Buffer.concat(chunks).toString('utf8') }))
    stream.on('close', () => {
      signal.removeEventListener('abort', onAbort)
      // After an end or an error this changes nothing.
      reject(new GuestGoneError('the guest agent closed the call without an answer'))
    })
    if (body !== undefined) stream.end(JSON.stringify(body))
  })
}
