/** Reads query parameters: text in, checked values out. */
import { limits, type Schema } from '@alcove/contract'
import type { Static, TObject } from 'typebox'
import { Check } from 'typebox/value'
import { fail } from '../lib/fail.ts'
import { explainMismatch } from './explain.ts'

/** The query of an operation; unknown parameters are ignored. @throws validation_error, bad_request */
export function parseQuery<T extends TObject>(schema: T, raw: Readonly<Record<string, unknown>>, url: string): Static<T> {
  assertEncoded(url)
  const query: Record<string, unknown> = {}
  for (const [name, property] of Object.entries(schema.properties as Readonly<Record<string, Schema>>)) {
    const given = Object.hasOwn(raw, name) ? raw[name] : undefined
    if (given !== undefined) query[name] = parseParameter(name, given, property)
  }
  return query as Static<T>
}

/** Fills in what the caller left open. */
export function withDefaults<T extends object, K extends keyof T>(query: T, defaults: Required<Pick<T, K>>): T & Required<Pick<T, K>> {
  return { ...defaults, ...query }
}

/** `limit` beyond the largest page is the largest page. */
export function capLimit<T extends { readonly limit: number }>(query: T): T {
  return { ...query, limit: Math.min(query.limit, limits.pageSize.max) }
}

function parseParameter(name: string, given: unknown, schema: Schema): unknown {
  if (typeof given !== 'string') return refuse(name, `${name} is given more than once.`, 'one value')
  const value = schema.type === 'integer' && /^-?[0-9]{1,15}$/.test(given) ? Number(given) : given
  if (Check(schema as object, value) && !/\p{Cc}/u.test(given)) return value
  const { message, allowed } = explainMismatch(schema, value, name)
  return refuse(name, message, allowed)
}

function refuse(field: string, message: string, allowed: unknown): never {
  return fail('validation_error', { message, details: { field, allowed } })
}

/** Fastify's parser keeps a broken escape as it is; that would be a silent guess. */
function assertEncoded(url: string): void {
  const query = url.slice(url.indexOf('?') + 1)
  if (!query.includes('%')) return
  try {
    decodeURIComponent(query)
  } catch (cause) {
    fail('bad_request', { message: 'The query holds a broken percent escape.', cause })
  }
}
