/** Judges answers by the contract: status, envelope and schema. */
import { ErrorAnswer, type ErrorCode, httpStatus, isErrorCode, type Operation, type OperationName, operations } from '@alcove/contract'
import { Ajv, type ValidateFunction } from 'ajv'
import { errorsOf } from '../../packages/contract/src/openapi.ts'
import type { RawAnswer, RawRequest } from './api-client.ts'

const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: false })
const isErrorAnswer = ajv.compile(ErrorAnswer)
const answers = new Map<OperationName, ValidateFunction>()
for (const [name, { answer }] of Object.entries(operations) as [OperationName, Operation][]) {
  if (typeof answer !== 'string') answers.set(name, ajv.compile(answer))
}

/** Codes of the server's side that an operation may give when the host is short of something. */
const tolerated: readonly ErrorCode[] = ['VM_UNAVAILABLE', 'IMAGE_UNAVAILABLE', 'service_unavailable', 'storage_full']
/** Codes that belong to the request, whatever the operation. */
const everywhere: readonly ErrorCode[] = [
  'MISSING_USER_ID',
  'not_found',
  'method_not_allowed',
  'bad_request',
  'request_timeout',
  'unsupported_media_type',
  'headers_too_large',
  'rate_limited',
]

/** What is wrong with an answer to this request; `undefined` when nothing is. */
export function faultOf({ method, path }: RawRequest, answer: RawAnswer): string | undefined {
  const { status, headers } = answer
  if (typeof headers['x-request-id'] !== 'string') return 'no X-Request-Id'
  if (method === 'HEAD') return status >= 500 ? `status ${status}` : undefined
  if (status === 204) return method === 'OPTIONS' ? undefined : 'an empty answer'
  const operation = findOperation(method, path.split('?', 1)[0] ?? '')
  if (status < 400) return operation ? faultOfSuccess(operation, answer) : `no operation, and status ${status}`
  return faultOfError(operation, answer)
}

function faultOfError(operation: OperationName | undefined, { status, headers, text }: RawAnswer): string | undefined {
  const body = parse(text)
  if (!isErrorAnswer(body)) return `status ${status} without the envelope: ${text.slice(0, 200)}`
  const { code, requestId } = body as { code: string; requestId: string }
  if (!isErrorCode(code)) return `code ${code} is not registered`
  if (httpStatus(code) !== status) return `code ${code} with status ${status}`
  if (requestId !== headers['x-request-id']) return 'two request ids'
  if (status >= 500 && !tolerated.includes(code)) return `${status} ${code}: ${text.slice(0, 300)}`
  if (everywhere.includes(code) || tolerated.includes(code)) return undefined
  return operation && errorsOf(operations[operation]).includes(code) ? undefined : `${operation ?? 'no operation'} does not declare ${code}`
}

/** What is wrong with what a connection got back for some bytes: nothing, or answers that are HTTP and never a failure of the server. */
export function faultOfBytes(text: string): string | undefined {
  if (text === '' || text.startsWith('HTTP/1.1 100')) return undefined
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1])
  if (!(status >= 200 && status < 500)) return `raw bytes were answered with ${JSON.stringify(text.slice(0, 120))}`
  if (status < 400) return undefined
  const start = text.indexOf('\r\n\r\n') + 4
  const length = Number(/\r\ncontent-length: (\d+)/i.exec(text)?.[1])
  const body = Buffer.from(text.slice(start)).subarray(0, length).toString()
  return body === '' || isErrorAnswer(parse(body)) ? undefined : `raw bytes were answered without the envelope: ${JSON.stringify(text.slice(0, 200))}`
}

/** The operation that a request reaches; a path without parameters goes before one with. */
function findOperation(method: string, path: string): OperationName | undefined {
  const given = path.split('/')
  const fits = (pattern: string) => {
    const parts = pattern.split('/')
    return parts.length === given.length && parts.every((part, index) => part.startsWith(':') || part === given[index])
  }
  const fitting = (Object.entries(operations) as [OperationName, Operation][]).filter(([, one]) => one.method === method && fits(one.path))
  return (fitting.find(([, { path: pattern }]) => !pattern.includes(':')) ?? fitting[0])?.[0]
}

function faultOfSuccess(operation: OperationName, { status, text }: RawAnswer): string | undefined {
  if (status !== operations[operation].status) return `status ${status} instead of ${operations[operation].status}`
  const validate = answers.get(operation)
  return !validate || validate(parse(text)) ? undefined : `answer of ${operation} breaks its schema: ${ajv.errorsText(validate.errors)}`
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
