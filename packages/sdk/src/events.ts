/** What happens in an account, as it happens: one stream to its reader, however often the connection below it breaks. */
import { createWatchdog, sleep } from './clock.ts'
import { AlcoveError, ConnectionError, isRecord } from './errors.ts'
import { invalidAnswer } from './request.ts'
import { hasPassingCause, mayRepeat, pauseBefore } from './retry.ts'
import { createSseParser } from './sse.ts'
import type { Transport } from './transport.ts'
import type { WorkspaceEvent } from './types.gen.ts'

/** Options of a stream. */
export interface StreamOptions {
  /** Begins behind this event; without it the stream begins now. */
  readonly lastEventId?: string
  /** Ends the stream; it then rejects with the signal's reason. */
  readonly signal?: AbortSignal
  /** Called when the connection is lost, before it is tried again. */
  readonly onInterruption?: (error: AlcoveError) => void
}

/** The events of an account. */
export interface Events {
  /**
   * Yields the events of all workspaces of the account as they happen, each once and in order. A connection that breaks, or is silent
   * for 45 s, is made anew behind the last event, for as long as it takes; only the first one is given up, after `maxRetries`.
   * It ends by leaving the loop, by the signal, or by an error that does not pass.
   */
  stream(options?: StreamOptions): AsyncGenerator<WorkspaceEvent, void, undefined>
}

/** What the stream is made of; the server sends a sign of life every 15 s. */
export interface EventsDependencies {
  readonly transport: Transport
  /** Longest silence, ms. */
  readonly silenceMs?: number
}

/** Characters of one line, and of one event: far more than the server writes. */
const longestChars = 1_048_576

/** Makes the method. */
export function createEvents({ transport, silenceMs = 45_000 }: EventsDependencies): Events {
  return {
    async *stream({ lastEventId, signal = new AbortController().signal, onInterruption } = {}) {
      const position: Position = { lastEventId, wasOpen: false, failures: 0 }
      for (;;) {
        try {
          yield* readConnection(transport, silenceMs, position, signal)
        } catch (error) {
          if (signal.aborted) throw signal.reason
          if (!(error instanceof AlcoveError) || !mayConnectAgain(error, position, transport.maxRetries)) throw error
          onInterruption?.(error)
          await sleep(pauseBefore(position.failures++, error.retryAfterMs), signal)
        }
      }
    },
  }
}

/** Where a stream stands, over all its connections. */
interface Position {
  lastEventId: string | undefined
  wasOpen: boolean
  /** Connections lost in a row, none of which brought anything. */
  failures: number
}

/** Yields what one connection brings. Ends with an error only: a connection that the server closed is a lost one. */
async function* readConnection(
  transport: Transport,
  silenceMs: number,
  position: Position,
  signal: AbortSignal,
): AsyncGenerator<WorkspaceEvent, never, undefined> {
  const watchdog = createWatchdog(silenceMs, signal)
  try {
    const headers = position.lastEventId === undefined ? {} : { 'Last-Event-ID': position.lastEventId }
    const body = await watchdog.watch(transport.open({ method: 'GET', path: '/events', headers }, watchdog.signal))
    position.wasOpen = true
    const reader = body.getReader()
    const parser = createSseParser({ longestChars })
    const decoder = new TextDecoder()
    for (;;) {
      const { done, value } = await watchdog.watch(reader.read())
      if (done) throw lost('the server closed the stream of events')
      position.failures = 0
      yield* parseEvents(() => parser.add(decoder.decode(value, { stream: true })))
      position.lastEventId = parser.lastEventId ?? position.lastEventId
    }
  } catch (error) {
    if (watchdog.hasBitten()) throw lost(`the stream of events was silent for ${silenceMs} ms`, error)
    if (signal.aborted || error instanceof AlcoveError) throw error
    throw lost(`the stream of events broke off: ${error instanceof Error ? error.message : String(error)}`, error)
  } finally {
    // Also ends the connection when the reader leaves the loop.
    watchdog.release()
  }
}

/** @throws ServerError when a message is too long or is no event. */
function parseEvents(take: () => readonly { readonly data: string }[]): WorkspaceEvent[] {
  try {
    return take().map(({ data }) => parseEvent(data))
  } catch (error) {
    throw invalidAnswer(undefined, `the stream of events cannot be read: ${(error as Error).message}`)
  }
}

function parseEvent(data: string): WorkspaceEvent {
  const event: unknown = JSON.parse(data)
  if (!isRecord(event) || typeof event.id !== 'string' || typeof event.workspace_id !== 'string') throw new TypeError(`not an event: ${data.slice(0, 80)}`)
  // That it is an event was looked at; its other fields are the server's word.
  return event as unknown as WorkspaceEvent
}

/** The first connection is given up like any other call; one that was open is made again for as long as the failure is a passing one. */
function mayConnectAgain(error: AlcoveError, position: Position, maxRetries: number): boolean {
  if (position.wasOpen) return hasPassingCause(error)
  return position.failures < maxRetries && mayRepeat(error, 'safe', false)
}

function lost(message: string, cause?: unknown): ConnectionError {
  return new ConnectionError(message, { code: 'connection_error', retryable: true }, cause)
}
