/**
 * The one registry of error codes. Server, SDK, `docs/errors.md` and the tests read it; nobody else spells a code or a status.
 * Codes in capitals are the public API's own (see the workspaces page); the others are ours.
 */

/** What went wrong, independent of the transport. */
export const errorKinds = {
  invalid: 400,
  unauthenticated: 401,
  payment: 402,
  forbidden: 403,
  not_found: 404,
  method: 405,
  timeout: 408,
  conflict: 409,
  precondition: 412,
  too_large: 413,
  media: 415,
  unprocessable: 422,
  limited: 429,
  headers: 431,
  internal: 500,
  unavailable: 503,
  storage_full: 507,
} as const

/** Key of {@link errorKinds}. */
export type ErrorKind = keyof typeof errorKinds

/** One registered error. */
export interface ErrorDefinition {
  readonly kind: ErrorKind
  /** When it is raised, in one sentence. */
  readonly meaning: string
  /** Whether the same request may succeed later without being changed. */
  readonly retryable: boolean
}

const define = (kind: ErrorKind, meaning: string, retryable = false): ErrorDefinition => ({ kind, meaning, retryable })

/** Every code the API may answer with. */
export const errors = {
  MISSING_USER_ID: define('unauthenticated', 'The credentials are missing, malformed, unknown or revoked.'),
  INVALID_NAMESPACE: define('invalid', 'The namespace is not made of letters, digits and hyphens.'),
  INVALID_NAME_LENGTH: define('invalid', 'The name is longer than 255 characters.'),
  INVALID_IMAGE: define('invalid', 'The image is missing, not a string, empty or not in the catalogue.'),
  INVALID_CONFIG: define('invalid', 'The config is not an object, or a key in it is unknown or has a wrong value.'),
  SANDBOX_LIMIT_REACHED: define('payment', 'The account owns as many workspaces as its plan allows.'),
  RESOURCE_NOT_ALLOWED: define('forbidden', 'A requested resource is outside the range of the plan.'),
  POOL_LIMIT_REACHED: define('payment', 'The owned resource pool of the account is full.'),
  RUNNING_POOL_REACHED: define('payment', 'The running resource pool of the account is full.', true),
  VM_UNAVAILABLE: define('unavailable', 'No virtual machine can be started on this host at present.', true),
  CREATE_FAILED: define('internal', 'The workspace could not be created; nothing of it is left behind.', true),
  START_FAILED: define('internal', 'The virtual machine did not start; the workspace and its disk are kept.', true),
  STOP_FAILED: define('internal', 'The virtual machine could not be stopped.', true),
  IMAGE_UNAVAILABLE: define('unavailable', 'The image could not be built or read on this host.', true),
  bad_request: define('invalid', 'The request is not well-formed HTTP or JSON.'),
  validation_error: define('invalid', 'A query parameter or a body field has a wrong type or value.'),
  not_found: define('not_found', 'No such route, or no such object in this account.'),
  method_not_allowed: define('method', 'The path exists, the method does not.'),
  request_timeout: define('timeout', 'The request did not arrive within 30 seconds.', true),
  conflict: define('conflict', 'Another action of the workspace is in progress, or its state does not allow this one.', true),
  vm_not_running: define('conflict', 'The call needs a virtual machine that runs or is paused.'),
  precondition_failed: define('precondition', 'The workspace has been started anew since the generation that If-Match names.'),
  payload_too_large: define('too_large', 'The request body is larger than 1 MiB.'),
  unsupported_media_type: define('media', 'The request body is not application/json.'),
  idempotency_mismatch: define('unprocessable', 'The idempotency key was used before with another request.'),
  rate_limited: define('limited', 'Too many failed authentications from this address, event streams or idempotency keys of this account.', true),
  headers_too_large: define('headers', 'The request headers are larger than 16 KiB.'),
  service_unavailable: define('unavailable', 'The server is starting, stopping or short of a resource.', true),
  storage_full: define('storage_full', 'The host has no room left for the data of the workspace.', true),
  internal_error: define('internal', 'An unexpected failure; the details are in the server log under the request id.', true),
} as const satisfies Record<string, ErrorDefinition>

/** A registered code. */
export type ErrorCode = keyof typeof errors

/** The HTTP status a code is answered with. */
export function httpStatus(code: ErrorCode): number {
  return errorKinds[errors[code].kind]
}

/** Whether a string is a registered code. */
export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(errors, value)
}
