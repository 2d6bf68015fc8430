import assert from 'node:assert/strict'
import test from 'node:test'
import { errors, httpStatus } from '@alcove/contract'
import { codes } from './codes.ts'
import * as sdk from './index.ts'

const { errorOfAnswer } = await import('./errors.ts')
const answer = (status: number, body: unknown) => errorOfAnswer({ status, body, requestId: 'req_header', retryAfterMs: undefined })

test('the client knows every code of the contract, with its status and whether it may pass', () => {
  const registry = Object.entries(errors).map(([code, { retryable }]) => [code, { status: httpStatus(code as keyof typeof errors), retryable }])
  assert.deepEqual(codes, Object.fromEntries(registry))
})

test('each status has its class', () => {
  const expected = {
    400: sdk.ValidationError,
    401: sdk.AuthenticationError,
    402: sdk.PaymentRequiredError,
    403: sdk.PermissionError,
    404: sdk.NotFoundError,
    409: sdk.ConflictError,
    412: sdk.PreconditionFailedError,
    422: sdk.ValidationError,
    429: sdk.RateLimitError,
    500: sdk.ServerError,
    502: sdk.ServerError,
    507: sdk.ServerError,
  }
  for (const [status, ErrorClass] of Object.entries(expected)) {
    const error = answer(Number(status), undefined)
    assert.ok(error instanceof ErrorClass, status)
    assert.ok(error instanceof sdk.AlcoveError)
    assert.equal(error.name, ErrorClass.name)
  }
})

test('the code decides before the status', () => {
  assert.ok(answer(409, { success: false, code: 'SANDBOX_LIMIT_REACHED' }) instanceof sdk.PaymentRequiredError)
  assert.ok(answer(422, { success: false, code: 'idempotency_mismatch' }) instanceof sdk.ConflictError)
})

test('an envelope gives code, message, details and request id', () => {
  const error = answer(403, { success: false, error: 'RESOURCE_NOT_ALLOWED', message: 'too much', details: { field: 'cpus' }, requestId: 'req_1' })
  assert.equal(error.code, 'RESOURCE_NOT_ALLOWED')
  assert.equal(error.message, 'too much')
  assert.deepEqual(error.details, { field: 'cpus' })
  assert.equal(error.requestId, 'req_1')
  assert.equal(error.status, 403)
  assert.equal(error.retryable, false)
})

test('an answer without a usable envelope still gives a code, a message and the request id of the header', () => {
  for (const body of [undefined, null, [], 'text', { code: 7, message: {} }]) {
    const error = answer(503, body)
    assert.equal(error.code, 'server_error')
    assert.match(error.message, /503/)
    assert.equal(error.requestId, 'req_header')
    assert.equal(error.retryable, true)
  }
  assert.equal(answer(400, { success: false, error: 'Name is too long.' }).message, 'Name is too long.')
  assert.equal(answer(400, { success: false, error: 'Name is too long.' }).code, 'bad_request')
})
