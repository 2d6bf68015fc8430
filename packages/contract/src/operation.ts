/** The shape of an operation of the HTTP API, and what all of them have in common. */
import type { TSchema } from 'typebox'
import type { ErrorCode } from './errors.ts'

/** One operation. */
export interface Operation {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Fastify-style path: parameters as `:name`. */
  readonly path: string
  readonly summary: string
  /** Who may call it: anybody, or the holder of an account's key. */
  readonly access: 'public' | 'account'
  readonly params?: TSchema
  readonly query?: TSchema
  readonly body?: TSchema
  /** Whether an empty body is as good as `{}`. */
  readonly bodyOptional?: true
  /** Success status and schema; `events` is a stream of server-sent events. */
  readonly status: 200 | 201
  readonly answer: TSchema | 'text' | 'json' | 'events'
  /** Codes it may answer with, besides those of {@link errorsOf}. */
  readonly errors: readonly ErrorCode[]
}

/** Codes every account operation may answer with. */
export const commonErrors = [
  'MISSING_USER_ID',
  'bad_request',
  'validation_error',
  'not_found',
  'rate_limited',
  'headers_too_large',
  'payload_too_large',
  'unsupported_media_type',
  'internal_error',
  'service_unavailable',
] as const satisfies ErrorCode[]

/** Codes every operation that changes something may answer with. */
export const changeErrors = ['idempotency_mismatch', 'storage_full', 'conflict'] as const satisfies ErrorCode[]

/** Whether an operation changes something: it takes an `Idempotency-Key`, and is recorded. */
export function isChange({ method, access }: Pick<Operation, 'method' | 'access'>): boolean {
  return access === 'account' && method !== 'GET'
}

/** Whether an operation changes a workspace that is there: it takes an `If-Match`. */
export function takesGeneration(operation: Pick<Operation, 'method' | 'access' | 'params'>): boolean {
  return isChange(operation) && operation.params !== undefined
}
