/** Renders the page of error codes, `docs/errors.md`. */
import { type ErrorCode, errors, httpStatus } from './errors.ts'

/** What a caller can do about each code. A code without a remedy does not compile. */
const remedies: Readonly<Record<ErrorCode, string>> = {
  MISSING_USER_ID: 'Send `X-Client-ID` and `X-Client-Secret` of a key made by `alcove key create`.',
  INVALID_NAMESPACE: 'Use 1 to 128 letters, digits and hyphens, or leave it out.',
  INVALID_NAME_LENGTH: 'Shorten the name.',
  INVALID_IMAGE: 'Take an id from `GET /workspace/images`.',
  INVALID_CONFIG: '`details.field` names the key, `details.allowed` what it takes, `details.suggestion` the nearest known key.',
  SANDBOX_LIMIT_REACHED: 'Delete a workspace, or move to a larger plan.',
  RESOURCE_NOT_ALLOWED: 'Ask for what `limits` of `GET /workspace/quota` allow.',
  POOL_LIMIT_REACHED: 'Delete or shrink a workspace, or move to a larger plan.',
  RUNNING_POOL_REACHED: 'Stop a workspace, then try again.',
  VM_UNAVAILABLE: 'Try again later; on the host, run `alcove doctor`.',
  CREATE_FAILED: 'Read the message, which ends with the console; then create again.',
  START_FAILED: 'Read `GET /workspace/:id/logs?source=boot`; then start again.',
  STOP_FAILED: 'Try again; on the host, run `alcove doctor`.',
  IMAGE_UNAVAILABLE: 'Try again later; on the host, run `alcove doctor`.',
  bad_request: 'Send well-formed HTTP with a body of JSON.',
  validation_error: '`details.field` names the field, `details.allowed` what it takes.',
  not_found: 'Check the path and the id; ids of other accounts are unknown too.',
  method_not_allowed: 'Use a method of the `Allow` header.',
  request_timeout: 'Send the whole request at once, then try again.',
  conflict: 'Wait until the action in progress has ended, then try again.',
  vm_not_running: 'Start the workspace first.',
  precondition_failed: 'Read the workspace again, and decide anew.',
  payload_too_large: 'Keep the body under 1 MiB.',
  unsupported_media_type: 'Send `Content-Type: application/json`, uncompressed, in UTF-8.',
  idempotency_mismatch: 'Use a new key for a new request.',
  rate_limited: 'Wait as long as `Retry-After` says.',
  headers_too_large: 'Keep all headers together under 16 KiB.',
  service_unavailable: 'Wait as long as `Retry-After` says, then try again.',
  storage_full: 'Make room on the host, then try again.',
  internal_error: 'Try again; give the `requestId` to whoever runs the server.',
}

/** The page: one row for each code of the registry. */
export function renderErrorsPage(): string {
  const rows = (Object.keys(errors) as ErrorCode[]).map((code) => {
    const { meaning, retryable } = errors[code]
    return `| \`${code}\` | ${httpStatus(code)} | ${meaning} | ${retryable ? 'yes' : 'no'} | ${remedies[code]} |`
  })
  return `# Errors

<!-- Made from the contract by script/generate. -->

Every failed request is answered with the status of its code and this body; \`error\` and \`code\` are the same:

\`\`\`json
{"success":false,"error":"INVALID_CONFIG","code":"INVALID_CONFIG","message":"config.cpus must be an integer from 1 to 32.","details":{"field":"config.cpus","allowed":{"min":1,"max":32}},"requestId":"req_k3v7q2mzt5ab"}
\`\`\`

\`details\` is there when it helps a program; a reached limit also gives \`current\` and \`max\` beside it. \`requestId\` is the
\`X-Request-Id\` header of the answer and leads to the line in the server's log. *Retry* says whether the same request may succeed later.

| code | status | meaning | retry | what to do |
|---|---|---|---|---|
${rows.join('\n')}
`
}
