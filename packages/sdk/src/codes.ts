/** What is known of each error code of the API; a test compares it with the registry of the contract. */
import type { ErrorCode } from './types.gen.ts'

/** HTTP status of each code, and whether the same request may succeed later without being changed. */
export const codes: Readonly<Record<ErrorCode, { readonly status: number; readonly retryable: boolean }>> = {
  MISSING_USER_ID: { status: 401, retryable: false },
  INVALID_NAMESPACE: { status: 400, retryable: false },
  INVALID_NAME_LENGTH: { status: 400, retryable: false },
  INVALID_IMAGE: { status: 400, retryable: false },
  INVALID_CONFIG: { status: 400, retryable: false },
  SANDBOX_LIMIT_REACHED: { status: 402, retryable: false },
  RESOURCE_NOT_ALLOWED: { status: 403, retryable: false },
  POOL_LIMIT_REACHED: { status: 402, retryable: false },
  RUNNING_POOL_REACHED: { status: 402, retryable: true },
  VM_UNAVAILABLE: { status: 503, retryable: true },
  CREATE_FAILED: { status: 500, retryable: true },
  START_FAILED: { status: 500, retryable: true },
  STOP_FAILED: { status: 500, retryable: true },
  IMAGE_UNAVAILABLE: { status: 503, retryable: true },
  bad_request: { status: 400, retryable: false },
  validation_error: { status: 400, retryable: false },
  not_found: { status: 404, retryable: false },
  method_not_allowed: { status: 405, retryable: false },
  request_timeout: { status: 408, retryable: true },
  conflict: { status: 409, retryable: true },
  vm_not_running: { status: 409, retryable: false },
  precondition_failed: { status: 412, retryable: false },
  payload_too_large: { status: 413, retryable: false },
  unsupported_media_type: { status: 415, retryable: false },
  idempotency_mismatch: { status: 422, retryable: false },
  rate_limited: { status: 429, retryable: true },
  headers_too_large: { status: 431, retryable: false },
  service_unavailable: { status: 503, retryable: true },
  storage_full: { status: 507, retryable: true },
  internal_error: { status: 500, retryable: true },
}

/** Code for an answer that names none, such as one of a proxy. */
export function codeOfStatus(status: number): string {
  return statusCodes[status] ?? (status >= 500 ? 'server_error' : 'bad_request')
}

const statusCodes: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  402: 'payment_required',
  403: 'forbidden',
  404: 'not_found',
  409: 'conflict',
  412: 'precondition_failed',
  422: 'validation_error',
  429: 'rate_limited',
}
