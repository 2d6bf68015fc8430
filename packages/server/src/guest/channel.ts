/** The connection to an agent: VMM's socket, handshake until the agent answers, then a byte stream for HTTP/2. */
import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/fail.ts'
import { createFrameDecoder, createReadyFinder, nonceBytes, renderData, renderSync } from './frame.ts'

/** Time between two SYNCs and between two attempts to connect, ms. The agent answers at once when it is up, so this bounds what a lost SYNC costs. */
const retryMs = 30
/** How long a socket that nobody listens on may mean a VMM that is still starting, ms. After that the VM is gone. */
const absentMs = 2000

/**
 * Time a fresh connection has until READY, ms; twice as long with each attempt, for a guest may just be slow. QEMU 7.2 can lose the
 * opening of a connection: when the host left while the guest's buffers were full, it takes the bytes of the next connection and drops
 * them. A new connection mends that.
 */
const firstPatienceMs = 1000
const longestPatienceMs = 16_000

/** The VM cannot be reached any more. */
export class GuestGoneError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, { cause })
    this.name = 'GuestGoneError'
  }
}

/**
 * Opens a session with the agent behind a socket of the VMM. Retries until it answers.
 * @throws GuestGoneError when nobody listens any more; the signal's reason when it aborts.
 */
export async function openChannel(socketPath: string, { signal, clock }: { readonly signal: AbortSignal; readonly clock: Clock }): Promise<Duplex> {
  let absentSince: number | undefined
  let patienceMs = firstPatienceMs
  for (;;) {
    signal.throwIfAborted()
    try {
      const socket = await dial(socketPath, signal)
      absentSince = undefined
      const channel = await handshake(socket, signal, clock, patienceMs)
      if (channel) return channel
      patienceMs = Math.min(2 * patienceMs, longestPatienceMs)
    } catch (error) {
      signal.throwIfAborted()
      absentSince ??= clock.monotonic()
      if (clock.monotonic() - absentSince >= absentMs) throw new GuestGoneError(`nobody answers at the VM's agent socket: ${messageOf(error)}`, error)
    }
    await clock.sleep(retryMs, signal)
  }
}

function dial(path: string, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path })
    const settle = () => {
      signal.removeEventListener('abort', onAbort)
      socket.off('error', onError)
      socket.off('connect', onConnect)
    }
    const onError = (error: unknown) => {
      settle()
      socket.destroy()
      reject(error)
    }
    const onConnect = () => {
      settle()
      resolve(socket)
    }
    const onAbort = () => onError(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
    socket.once('error', onError)
    socket.once('connect', onConnect)
  })
}

/**
 * Sends SYNC until READY comes. The nonce stays the same: a late answer to an early SYNC is good, and the agent keeps the session
 * of a nonce it knows. Resolves with nothing when the socket closes first, or patience ends.
 */
function handshake(socket: Socket, signal: AbortSignal, clock: Clock, patienceMs: number): Promise<Duplex | undefined> {
  const nonce = randomBytes(nonceBytes)
  const finder = createReadyFinder(nonce)
  const sync = renderSync(nonce)
  const patience = clock.deadline(patienceMs)
  return new Promise((resolve, reject) => {
    // Only when the last one was taken: a VM that is not up yet must not pile them up.
    const send = () => {
      if (socket.writableLength === 0) socket.write(sync)
    }
    const stopSending = clock.every(retryMs, send)
    const settle = () => {
      stopSending()
      signal.removeEventListener('abort', onAbort)
      patience.removeEventListener('abort', onClose)
      socket.off('data', onData)
      socket.off('close', onClose)
      socket.off('error', onClose)
    }
    const onData = (chunk: Buffer) => {
      const rest = finder.push(chunk)
      if (!rest) return
      settle()
      socket.pause()
      resolve(new Channel(socket, nonce, rest))
    }
    const onClose = () => {
      settle()
      socket.on('error', () => {})
      socket.destroy()
      resolve(undefined)
    }
    const onAbort = () => {
      onClose()
      reject(signal.reason)
    }
    signal.addEventListener('abort', onAbort, { once: true })
    patience.addEventListener('abort', onClose, { once: true })
    socket.on('data', onData)
    socket.once('close', onClose)
    socket.once('error', onClose)
    send()
    if (signal.aborted) onAbort()
  })
}

/** The byte stream of one session. A breach of the protocol destroys it, and the socket with it. */
class Channel extends Duplex {
  readonly #socket: Socket
  readonly #nonce: Buffer

  constructor(socket: Socket, nonce: Buffer, rest: Buffer) {
    super({ allowHalfOpen: false })
    this.#socket = socket
    this.#nonce = nonce
    const decoder = createFrameDecoder(nonce, {
      onPayload: (bytes) => {
        if (!this.push(bytes)) socket.pause()
      },
      onEnd: () => this.push(null),
    })
    const receive = (chunk: Buffer) => {
      try {
        decoder.push(chunk)
      } catch (error) {
        this.destroy(error as Error)
      }
    }
    socket.on('data', receive)
    socket.on('error', (error) => this.destroy(gone(error)))
    socket.on('close', () => this.destroy(new GuestGoneError('the connection to the VM was closed')))
    if (rest.length > 0) queueMicrotask(() => receive(rest))
  }

  override _read(): void {
    this.#socket.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#send(chunk, done)
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#send(Buffer.alloc(0), done)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    // The agent drops the session when the next one begins; its end need not be told.
    this.#socket.destroy()
    done(error)
  }

  #send(bytes: Uint8Array, done: (error?: Error | null) => void): void {
    const parts = renderData(this.#nonce, bytes)
    const last = parts.pop()
    if (this.#socket.destroyed || !last) {
      done(new GuestGoneError('the connection to the VM was closed'))
      return
    }
    this.#socket.cork()
    for (const part of parts) this.#socket.write(part)
    this.#socket.write(last, (error) => done(error ? gone(error) : null))
    this.#socket.uncork()
  }
}

function gone(cause: Error): GuestGoneError {
  return new GuestGoneError(`the connection to the VM failed: ${cause.message}`, cause)
}
