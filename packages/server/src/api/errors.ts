/** Errors on the wire: every failure becomes a registered code in the one envelope. */
import { type ErrorAnswer, type ErrorCode, errors, httpStatus } from '@alcove/contract'
import type { FastifyReply } from 'fastify'
import { AlcoveError } from '../lib/fail.ts'
import type { Logger } from '../lib/log.ts'

/** Answers a request with an error; what nobody registered is logged under the request id and hidden from the caller. */
export function sendError(reply: FastifyReply, thrown: unknown, log: Logger): FastifyReply {
  const error = toAlcoveError(thrown)
  const requestId = reply.request.id
  if (error.status >= 500) log.error({ requestId, code: error.code, err: thrown }, error.message)
  else if (error.cause !== undefined) log.debug({ requestId, code: error.code, err: error.cause }, error.message)
  if (error.status === 429 || error.status === 503) reply.header('retry-after', retryAfter(error))
  return reply
    .code(error.status)
    .header('x-request-id', requestId)
    .type('application/json; charset=utf-8')
    .send(renderError(error.code, error.message, requestId, error.details))
}

/** The envelope as text. Built field by field, so that nothing else of an error can leave. */
export function renderError(code: ErrorCode, message: string, requestId: string, details?: Readonly<Record<string, unknown>>): string {
  const { current, max } = details ?? {}
  const answer: ErrorAnswer = {
    success: false,
    error: code,
    code,
    message,
    ...(details ? { details: { ...details } } : {}),
    ...(typeof current === 'number' ? { current } : {}),
    ...(typeof max === 'number' && typeof current === 'number' ? { max } : {}),
    requestId,
  }
  return JSON.stringify(answer)
}

/** What Fastify and Node raise by themselves, as codes of the registry. */
const foreign: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_BAD_URL: 'bad_request',
  // A target such as `*` that is no path.
  FST_ERR_NOT_FOUND: 'not_found',
  FST_ERR_MAX_PARAM_LENGTH: 'not_found',
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'bad_request',
  FST_ERR_ROUTE_MISSING_CONTENT_TYPE: 'unsupported_media_type',
}

function toAlcoveError(thrown: unknown): AlcoveError {
  // An unexpected failure keeps its text for the log, also where somebody gave the code a message of its own.
  if (thrown instanceof AlcoveError) return thrown.code === 'internal_error' ? new AlcoveError('internal_error', { cause: thrown }) : thrown
  const name = thrown instanceof Error && 'code' in thrown ? String(thrown.code) : ''
  const code = Object.hasOwn(foreign, name) ? foreign[name] : undefined
  return new AlcoveError(code ?? 'internal_error', { message: errors[code ?? 'internal_error'].meaning, cause: thrown })
}

/** Seconds: what the error says, else one. */
function retryAfter({ details }: AlcoveError): string {
  const seconds = details?.retryAfterSeconds
  return String(typeof seconds === 'number' && seconds > 0 ? Math.ceil(seconds) : 1)
}

/** Status line and envelope for a connection whose request never became one. */
export function renderRawAnswer(code: ErrorCode, reason: string, requestId: string): string {
  const body = renderError(code, errors[code].meaning, requestId)
  return [
    `HTTP/1.1 ${httpStatus(code)} ${reason}`,
    'content-type: application/json; charset=utf-8',
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${requestId}`,
    'connection: close',
    '',
    body,
  ].join('\r\n')
}
