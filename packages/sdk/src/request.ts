/** One request: send it, and turn whatever is not a success of this API into an error. */
import { ConnectionError, errorOfAnswer, isRecord, ServerError } from './errors.ts'
import { parseRetryAfter } from './retry.ts'

/** The part of the global `fetch` that is used. */
export type Fetch = (input: string, init: RequestInit) => Promise<Response>

/** A request of the API. */
export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Path and query. */
  readonly path: string
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
}

/** Where requests go, and with what. */
export interface Target {
  /** Without a slash at the end. */
  readonly baseUrl: string
  readonly headers: Readonly<Record<string, string>>
  readonly fetch: Fetch
}

/** Sends a request and reads its answer whole. @param expect Key the answer must have. @throws AlcoveError, or what an abort makes of fetch. */
export async function sendOnce(target: Target, request: ApiRequest, expect: string, signal: AbortSignal): Promise<Record<string, unknown>> {
  const { response, text } = await answering(target, signal, async () => {
    const response = await sendHead(target, request, 'application/json', signal)
    return { response, text: await response.text() }
  })
  const body = parseJson(text)
  refuse(response, body)
  if (isRecord(body) && body.success === true && expect in body) return body
  const what = body === undefined ? `not JSON: ${JSON.stringify(text.slice(0, 80))}` : `without "success" and "${expect}"`
  throw invalidAnswer(response, `the answer to ${request.method} ${request.path} is ${what}; is baseUrl the address of an Alcove server?`)
}

/** Opens a stream of server-sent events. @returns The body, of which nothing has been read. @throws AlcoveError, or what an abort makes of fetch. */
export async function openStream(target: Target, request: ApiRequest, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
  const response = await answering(target, signal, () => sendHead(target, request, 'text/event-stream', signal))
  const isStream = response.ok && response.body !== null && /^text\/event-stream\b/i.test(response.headers.get('content-type') ?? '')
  if (isStream && response.body) return response.body
  const text = await answering(target, signal, () => response.text())
  refuse(response, parseJson(text))
  throw invalidAnswer(response, `the answer to ${request.method} ${request.path} is not a stream of events; is baseUrl the address of an Alcove server?`)
}

/** The error of an answer that is none of this API's. */
export function invalidAnswer(response: Pick<Response, 'status' | 'headers'> | undefined, message: string): ServerError {
  return new ServerError(message, { code: 'invalid_answer', status: response?.status, requestId: response?.headers.get('x-request-id') ?? undefined })
}

/** Makes a failed fetch, or a body that broke off, a ConnectionError; an abort goes through as it is. */
async function answering<T>(target: Target, signal: AbortSignal, send: () => Promise<T>): Promise<T> {
  signal.throwIfAborted()
  try {
    return await send()
  } catch (error) {
    if (signal.aborted) throw error
    throw new ConnectionError(`no answer from ${target.baseUrl}: ${reasonOf(error)}`, { code: 'connection_error', retryable: true }, error)
  }
}

function sendHead(target: Target, { method, path, headers, body }: ApiRequest, accept: string, signal: AbortSignal): Promise<Response> {
  return target.fetch(target.baseUrl + path, {
    method,
    headers: { Accept: accept, ...target.headers, ...headers, ...(body === undefined ? {} : { 'Content-Type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    // Following a redirect would hand the secret to another server.
    redirect: 'manual',
    cache: 'no-store',
    credentials: 'omit',
    signal,
  })
}

/** @throws AlcoveError when the answer is a redirect or a failure. */
function refuse(response: Response, body: unknown): void {
  if (response.type === 'opaqueredirect' || (response.status >= 300 && response.status < 400)) {
    throw invalidAnswer(response, `the server redirects to ${response.headers.get('location') ?? 'another address'}; give that as baseUrl if you trust it`)
  }
  if (response.ok && !(isRecord(body) && body.success === false)) return
  const requestId = response.headers.get('x-request-id') ?? undefined
  throw errorOfAnswer({ status: response.status, body, requestId, retryAfterMs: parseRetryAfter(response.headers.get('retry-after')) })
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
