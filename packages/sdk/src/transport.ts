/** One call: send, check the envelope, and send again where that is safe. */
import { createDeadline, type Deadline, sleep } from './clock.ts'
import { AlcoveError, ConnectionError, errorOfAnswer, isRecord, ServerError, TimeoutError } from './errors.ts'
import { mayRepeat, parseRetryAfter, pauseBefore, type Repeat } from './retry.ts'

/** The part of the global `fetch` that is used. */
export type Fetch = (input: string, init: RequestInit) => Promise<Response>

/** A call of the API. */
export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Path and query. */
  readonly path: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
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
  /**
   * Sends a call until it is answered or may not be repeated.
   * @returns The parsed answer, or undefined where `doneIfLost` applied.
   * @throws AlcoveError, or the reason of the caller's signal.
   */
  send(call: Call): Promise<Record<string, unknown> | undefined>
}

/** What a transport is made of. */
export interface TransportOptions {
  /** Without a slash at the end. */
  readonly baseUrl: string
  readonly headers: Readonly<Record<string, string>>
  readonly fetch: Fetch
  readonly maxRetries: number
  /** Overrides the default of every call, ms. */
  readonly timeoutMs: number | undefined
}

/** Makes a transport. */
export function createTransport(options: TransportOptions): Transport {
  return {
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
  }
}

async function sendRepeatedly(options: TransportOptions, call: Call, deadline: Deadline): Promise<Record<string, unknown> | undefined> {
  let wasLost = false
  for (let attempt = 0; ; attempt++) {
    try {
      return await sendOnce(options, call, deadline.signal)
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

async function sendOnce(options: TransportOptions, call: Call, signal: AbortSignal): Promise<Record<string, unknown>> {
  signal.throwIfAborted()
  const url = options.baseUrl + call.path
  let response: Response
  let text: string
  try {
    response = await options.fetch(url, {
      method: call.method,
      headers: { Accept: 'application/json', ...options.headers, ...call.headers, ...(call.body === undefined ? {} : { 'Content-Type': 'application/json' }) },
      ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
      // Following a redirect would hand the secret to another server.
      redirect: 'manual',
      cache: 'no-store',
      credentials: 'omit',
      signal,
    })
    text = await response.text()
  } catch (error) {
    if (signal.aborted) throw error
    throw new ConnectionError(`no answer from ${options.baseUrl}: ${reasonOf(error)}`, { code: 'connection_error', retryable: true }, error)
  }
  return parseAnswer(response, text, call)
}

function parseAnswer(response: Response, text: string, call: Call): Record<string, unknown> {
  const body = parseJson(text)
  const requestId = response.headers.get('x-request-id') ?? undefined
  if (response.type === 'opaqueredirect' || (response.status >= 300 && response.status < 400)) {
    throw new ServerError(`the server redirects to ${response.headers.get('location') ?? 'another address'}; give that as baseUrl if you trust it`, {
      code: 'invalid_answer',
      status: response.status,
      requestId,
    })
  }
  if (!response.ok || (isRecord(body) && body.success === false)) {
    throw errorOfAnswer({ status: response.status, body, requestId, retryAfterMs: parseRetryAfter(response.headers.get('retry-after')) })
  }
  if (!isRecord(body) || body.success !== true || !(call.expect in body)) {
    const what = body === undefined ? `not JSON: ${JSON.stringify(text.slice(0, 80))}` : `without "success" and "${call.expect}"`
    throw new ServerError(`the answer to ${call.method} ${call.path} is ${what}; is baseUrl the address of an Alcove server?`, {
      code: 'invalid_answer',
      status: response.status,
      requestId,
    })
  }
  return body
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // Not JSON: the caller of this says so, with the status.
    return undefined
  }
}

/** The innermost message of a failed fetch: Node hides `ECONNREFUSED` two causes deep. */
function reasonOf(error: unknown): string {
  let reason = error
  for (let depth = 0; depth < 4 && reason instanceof Error && reason.cause instanceof Error; depth++) reason = reason.cause
  if (!(reason instanceof Error)) return String(reason)
  const code = 'code' in reason && typeof reason.code === 'string' ? reason.code : ''
  return reason.message || code || reason.name
}

function timeoutError(call: Call, timeoutMs: number, cause: unknown): TimeoutError {
  return new TimeoutError(`${call.method} ${call.path} was not answered within ${timeoutMs} ms`, { code: 'timeout', retryable: true }, cause)
}
