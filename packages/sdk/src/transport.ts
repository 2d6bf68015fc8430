/** One call: its requests, sent again where that is safe, within its time. */
import { createDeadline, type Deadline, sleep } from './clock.ts'
import { AlcoveError, TimeoutError } from './errors.ts'
import { type ApiRequest, openStream, sendOnce, type Target } from './request.ts'
import { mayRepeat, pauseBefore, type Repeat } from './retry.ts'

/** A call of the API. */
export interface Call extends ApiRequest {
  readonly repeat: Repeat
  /** Key the answer must have. */
  readonly expect: string
  /** Longest time with all attempts when neither caller nor client says otherwise, ms. */
  readonly defaultTimeoutMs: number
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Status that means success when an earlier attempt was lost: 404 for a delete. */
  readonly doneIfLost?: number
}

/** Sends calls. */
export interface Transport {
  /** How often a request is sent again. */
  readonly maxRetries: number
  /**
   * Sends a call until it is answered or may not be repeated.
   * @returns The parsed answer, or undefined where `doneIfLost` applied.
   * @throws AlcoveError, or the reason of the caller's signal.
   */
  send(call: Call): Promise<Record<string, unknown> | undefined>
  /** Opens a stream of server-sent events, in one attempt. @throws AlcoveError, or what the signal makes of fetch. */
  open(request: ApiRequest, signal: AbortSignal): Promise<ReadableStream<Uint8Array>>
}

/** What a transport is made of. */
export interface TransportOptions extends Target {
  readonly maxRetries: number
  /** Overrides the default of every call, ms. */
  readonly timeoutMs: number | undefined
}

/** Makes a transport. */
export function createTransport(options: TransportOptions): Transport {
  return {
    maxRetries: options.maxRetries,
    async send(call) {
      const timeoutMs = call.timeoutMs ?? options.timeoutMs ?? call.defaultTimeoutMs
      const deadline = createDeadline(timeoutMs, call.signal)
      try {
        return await sendRepeatedly(options, call, deadline)
      } catch (error) {
        // The caller's own abort is handed back as it is, whatever fetch made of it.
        if (deadline.hasExpired()) throw timeoutError(call, timeoutMs, error)
        if (call.signal?.aborted) throw call.signal.reason
        throw error
      } finally {
        deadline.release()
      }
    },
    open: (request, signal) => openStream(options, request, signal),
  }
}

async function sendRepeatedly(options: TransportOptions, call: Call, deadline: Deadline): Promise<Record<string, unknown> | undefined> {
  let wasLost = false
  for (let attempt = 0; ; attempt++) {
    try {
      return await sendOnce(options, call, call.expect, deadline.signal)
    } catch (error) {
      if (deadline.signal.aborted || !(error instanceof AlcoveError)) throw error
      if (wasLost && error.status !== undefined && error.status === call.doneIfLost) return undefined
      wasLost ||= error.status === undefined || error.status === 502
      if (attempt >= options.maxRetries || !mayRepeat(error, call.repeat, wasLost)) throw error
      const pauseMs = pauseBefore(attempt, error.retryAfterMs)
      if (pauseMs >= deadline.remaining()) throw error
      await sleep(pauseMs, deadline.signal)
    }
  }
}

function timeoutError(call: Call, timeoutMs: number, cause: unknown): TimeoutError {
  return new TimeoutError(`${call.method} ${call.path} was not answered within ${timeoutMs} ms`, { code: 'timeout', retryable: true }, cause)
}
