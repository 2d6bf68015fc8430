/** The errors of the client, and the one place that decides which class a failed answer becomes. */
import { codeOfStatus, codes } from './codes.ts'

/** What an error carries besides its message. */
export interface AlcoveErrorFields {
  /** Code of the server's registry, or `connection_error`, `timeout`, `invalid_answer`, or a code by HTTP status. */
  readonly code: string
  /** HTTP status; undefined when no answer came. */
  readonly status?: number | undefined
  /** Id under which the server logged the request. */
  readonly requestId?: string | undefined
  /** What the server said in addition, such as `field` and `allowed`. */
  readonly details?: Readonly<Record<string, unknown>> | undefined
  /** How long the server asks to wait before the next attempt, ms. */
  readonly retryAfterMs?: number | undefined
  /** Whether the same request may succeed later without being changed. */
  readonly retryable?: boolean
}

/** Any failure of a call, save one that the caller's own signal caused. */
export class AlcoveError extends Error implements AlcoveErrorFields {
  override readonly name: string = 'AlcoveError'
  readonly code: string
  readonly status: number | undefined
  readonly requestId: string | undefined
  readonly details: Readonly<Record<string, unknown>> | undefined
  readonly retryAfterMs: number | undefined
  readonly retryable: boolean

  constructor(message: string, fields: AlcoveErrorFields, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = fields.code
    this.status = fields.status
    this.requestId = fields.requestId
    this.details = fields.details
    this.retryAfterMs = fields.retryAfterMs
    this.retryable = fields.retryable ?? false
  }
}

/** 401: the credentials are missing, unknown or revoked. */
export class AuthenticationError extends AlcoveError {
  override readonly name = 'AuthenticationError'
}

/** 402: a workspace count or a resource pool of the plan is used up. */
export class PaymentRequiredError extends AlcoveError {
  override readonly name = 'PaymentRequiredError'
}

/** 403: the plan does not allow what was asked for. */
export class PermissionError extends AlcoveError {
  override readonly name = 'PermissionError'
}

/** 404: no such workspace in this account. */
export class NotFoundError extends AlcoveError {
  override readonly name = 'NotFoundError'
}

/** 409, and 422 for a key used twice: the state of the workspace, or an earlier request, is in the way. */
export class ConflictError extends AlcoveError {
  override readonly name = 'ConflictError'
}

/** 412: the workspace has been started anew since the generation that the call was meant for. */
export class PreconditionFailedError extends AlcoveError {
  override readonly name = 'PreconditionFailedError'
}

/** 400 and 422: a value of the request is wrong. */
export class ValidationError extends AlcoveError {
  override readonly name = 'ValidationError'
}

/** 429: too many requests. */
export class RateLimitError extends AlcoveError {
  override readonly name = 'RateLimitError'
}

/** 5xx, or an answer that is not one of this API. */
export class ServerError extends AlcoveError {
  override readonly name = 'ServerError'
}

/** No answer: the server could not be reached, or the connection broke. */
export class ConnectionError extends AlcoveError {
  override readonly name = 'ConnectionError'
}

/** The time of the call was over. */
export class TimeoutError extends AlcoveError {
  override readonly name = 'TimeoutError'
}

/** What is needed of a failed answer. */
export interface FailedAnswer {
  readonly status: number
  /** Parsed JSON, or undefined. */
  readonly body: unknown
  readonly requestId: string | undefined
  readonly retryAfterMs: number | undefined
}

/** Makes the error of a failed answer. The code decides the class when it is a known one, else the status does. */
export function errorOfAnswer(answer: FailedAnswer): AlcoveError {
  const body = isRecord(answer.body) ? answer.body : {}
  // A refusal inside a 2xx answer is classed by its code; without a known one it is a failure of the server.
  const saidStatus = answer.status < 300 ? 500 : answer.status
  const code = codeIn(body) ?? codeOfStatus(saidStatus)
  const known = Object.hasOwn(codes, code) ? codes[code as keyof typeof codes] : undefined
  const status = known?.status ?? saidStatus
  const ErrorClass = code === 'idempotency_mismatch' ? ConflictError : classOfStatus(status)
  return new ErrorClass(messageIn(body) ?? `the server answered with HTTP status ${answer.status}`, {
    code,
    status: answer.status,
    requestId: text(body.requestId) ?? text(body.request_id) ?? answer.requestId,
    details: isRecord(body.details) ? body.details : undefined,
    retryAfterMs: answer.retryAfterMs,
    retryable: known?.retryable ?? (status === 429 || status >= 500),
  })
}

/** Whether a value is a JSON object. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function classOfStatus(status: number): typeof AlcoveError {
  if (status >= 500) return ServerError
  return classes[status] ?? AlcoveError
}

const classes: Readonly<Record<number, typeof AlcoveError>> = {
  400: ValidationError,
  401: AuthenticationError,
  402: PaymentRequiredError,
  403: PermissionError,
  404: NotFoundError,
  409: ConflictError,
  412: PreconditionFailedError,
  422: ValidationError,
  429: RateLimitError,
}

const codeShape = /^[A-Za-z0-9]+([_-][A-Za-z0-9]+)*$/

/** Older servers put a sentence into `error` and have no `code`. */
function codeIn(body: Record<string, unknown>): string | undefined {
  const error = text(body.error)
  return text(body.code) ?? (error !== undefined && codeShape.test(error) ? error : undefined)
}

function messageIn(body: Record<string, unknown>): string | undefined {
  return text(body.message) ?? text(body.error)
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined
}
