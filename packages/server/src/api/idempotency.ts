/** The idempotency key of a request, and the fingerprint of what it asks for. */
import { createHash } from 'node:crypto'
import { limits } from '@alcove/contract'
import { fail } from '../lib/fail.ts'
import { isRecord } from './explain.ts'

/** Reads the key from the `Idempotency-Key` header or the body's `idempotency_key`. @throws validation_error */
export function parseIdempotencyKey(header: string | string[] | undefined, body: unknown): string | undefined {
  const given = isRecord(body) && Object.hasOwn(body, 'idempotency_key') ? body.idempotency_key : undefined
  if (header !== undefined && given !== undefined && header !== given) {
    return refuse('The Idempotency-Key header and idempotency_key differ; give one of them.')
  }
  const key = header ?? given
  if (key === undefined) return undefined
  if (typeof key === 'string' && keyPattern.test(key)) return key
  return refuse(`The idempotency key must be 1 to ${limits.idempotencyKeyChars} printable ASCII characters.`)
}

/** SHA-256, hex, of what is asked for: the path's parameters and the body with sorted keys. How the key was sent is no part of it. */
export function hashRequest(params: unknown, generations: readonly number[] | undefined, body: unknown): string {
  const { idempotency_key: _key, ...rest } = isRecord(body) ? body : {}
  return createHash('sha256')
    .update(canonicalJson([params ?? null, generations ?? null, rest]))
    .digest('hex')
}

const keyPattern = new RegExp(`^[ -~]{1,${limits.idempotencyKeyChars}}$`)

function refuse(message: string): never {
  return fail('validation_error', { message, details: { field: 'idempotency_key', allowed: keyPattern.source } })
}

/** JSON with the keys of every object sorted. The depth was bounded when the body was read. */
function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`
  if (!isRecord(value)) return JSON.stringify(value)
  const entries = Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonicalJson(value[key])}`)
  return `{${entries.join(',')}}`
}
