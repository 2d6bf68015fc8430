/** One connection to a QEMU monitor: commands with deadlines, events as they come. */
import { createConnection, type Socket } from 'node:net'
import type { Clock } from '../../../lib/clock.ts'
import { createDecoder, type QmpMessage, QmpProtocolError, renderCommand } from './codec.ts'

/** A command that QEMU refused. */
export class QmpError extends Error {
  override readonly name = 'QmpError'
  readonly errorClass: string

  constructor(errorClass: string, description: string) {
    super(description)
    this.errorClass = errorClass
  }
}

/** An open monitor. */
export interface QmpClient {
  /** Runs a command. Rejects with {@link QmpError}, or when no answer came in `timeoutMs` or the connection ended. */
  execute(command: string, args?: Readonly<Record<string, unknown>>, timeoutMs?: number): Promise<unknown>
  /** Resolves when the connection has ended, whoever ended it; all events that arrived were delivered before. */
  readonly closed: Promise<void>
  close(): void
}

/** How to connect. */
export interface QmpOptions {
  readonly path: string
  readonly clock: Clock
  /** Time for connection, greeting and negotiation together, ms. A monitor that serves another client does not greet. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal
  readonly onEvent: (name: string, data: Readonly<Record<string, unknown>>) => void
}

/** Time for an ordinary command, ms. */
const commandTimeoutMs = 2000

/** Opens a monitor and negotiates. Rejects in bounded time. */
export async function connectQmp({ path, clock, timeoutMs, signal, onEvent }: QmpOptions): Promise<QmpClient> {
  const deadline = clock.deadline(timeoutMs)
  const until = signal ? AbortSignal.any([signal, deadline]) : deadline
  until.throwIfAborted()
  const socket = createConnection(path)
  const pending = new Map<string, { resolve(value: unknown): void; reject(error: unknown): void }>()
  const greeted = Promise.withResolvers<void>()
  const { promise: closed, resolve: onClosed } = Promise.withResolvers<void>()
  let failure: unknown = new Error('monitor closed')
  let commands = 0

  const receive = (message: QmpMessage) => {
    if (message.kind === 'greeting') return greeted.resolve()
    if (message.kind === 'event') return onEvent(message.name, message.data)
    // Answers nobody waits for any more are dropped.
    const waiting = message.id === undefined ? undefined : pending.get(message.id)
    if (message.kind === 'return') waiting?.resolve(message.value)
    else waiting?.reject(new QmpError(message.errorClass, message.description))
  }
  decodeInto(socket, receive)
  socket.on('error', (error) => {
    failure = error
  })
  socket.on('close', () => {
    greeted.reject(failure)
    for (const { reject } of pending.values()) reject(failure)
    onClosed()
  })

  const execute = async (command: string, args?: Readonly<Record<string, unknown>>, limitMs = commandTimeoutMs): Promise<unknown> => {
    if (socket.destroyed) throw failure
    const id = String(++commands)
    const answer = Promise.withResolvers<unknown>()
    pending.set(id, answer)
    try {
      socket.write(renderCommand(id, command, args))
      return await before(clock.deadline(limitMs), answer.promise, `no answer to ${command} in ${limitMs} ms`)
    } finally {
      pending.delete(id)
    }
  }

  try {
    await before(until, greeted.promise, `no greeting in ${timeoutMs} ms`)
    await execute('qmp_capabilities')
  } catch (error) {
    socket.destroy()
    throw error
  }
  return { execute, closed, close: () => socket.destroy() }
}

function decodeInto(socket: Socket, receive: (message: QmpMessage) => void): void {
  const decoder = createDecoder()
  socket.on('data', (chunk: Buffer) => {
    try {
      for (const message of decoder.push(chunk)) receive(message)
    } catch (error) {
      socket.destroy(error instanceof QmpProtocolError ? error : new QmpProtocolError('handler failed', { cause: error }))
    }
  })
}

/** The promise, or a rejection once the signal aborts. */
async function before<T>(signal: AbortSignal, promise: Promise<T>, late: string): Promise<T> {
  const aborted = Promise.withResolvers<never>()
  const onAbort = () => aborted.reject(signal.reason?.name === 'TimeoutError' ? new Error(late) : signal.reason)
  if (signal.aborted) onAbort()
  signal.addEventListener('abort', onAbort, { once: true })
  // Whichever loses the race must not count as unhandled.
  promise.catch(() => {})
  try {
    return await Promise.race([promise, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
