/** Reads the bodies of lifecycle, resources and metadata requests. */
import { IdleBody, type IdlePolicy, MetadataBody, PermanentBody, PingBody, ResourcesBody, type Schema, TemporaryBody, TtlBody } from '@alcove/contract'
import type { Static, TSchema } from 'typebox'
import { Check } from 'typebox/value'
import { fail } from '../lib/fail.ts'
import type { ResourcesChange } from '../workspace/resources.ts'
import type { Term } from '../workspace/settings.ts'
import { explainMismatch } from './explain.ts'
import { foldIdle, foldTtl } from './fold-times.ts'

/** @throws validation_error */
export const parsePermanent = (given: unknown): PermanentBody => parseBody(PermanentBody, given)

/** @throws validation_error */
export const parsePing = (given: unknown): PingBody => parseBody(PingBody, given)

/** @throws validation_error */
export function parseTemporary(given: unknown): Term {
  return termOf(parseBody(TemporaryBody, given))
}

/** @throws validation_error */
export function parseTtl(given: unknown): Term {
  return termOf(parseBody(TtlBody, given))
}

/** @throws validation_error */
export function parseIdle(given: unknown): IdlePolicy | null {
  return foldIdle(parseBody(IdleBody, given), 'idle', refuse)
}

/** @throws validation_error */
export function parseResources(given: unknown): ResourcesChange {
  const { disk_size_mb, writable_size_mb, apply = false, ...amounts } = parseBody(ResourcesBody, given)
  if (disk_size_mb !== undefined && writable_size_mb !== undefined && disk_size_mb !== writable_size_mb) {
    refuse('disk_size_mb', 'disk_size_mb and writable_size_mb differ; give one of them.', writable_size_mb)
  }
  return { ...amounts, writable_size_mb: writable_size_mb ?? disk_size_mb, apply }
}

/** @throws validation_error */
export function parseMetadata(given: unknown): MetadataBody['metadata'] {
  const { metadata } = parseBody(MetadataBody, given)
  for (const [key, value] of Object.entries(metadata)) {
    if (key === '__proto__') refuse('metadata.__proto__', 'metadata holds the key __proto__, which is not allowed.', 'another key')
    if (!isText(key) || (value !== null && !isText(value))) refuse('metadata', 'metadata holds a NUL character or broken Unicode.', 'text without NUL')
  }
  return metadata
}

function termOf<T extends { ttl?: string | number | null | undefined }>({ ttl, ...term }: T) {
  return { ...term, ...(ttl === undefined ? {} : { ttl: ttl === null ? null : foldTtl(ttl, 'ttl', refuse) }) }
}

function parseBody<T extends TSchema>(schema: T, given: unknown): Static<T> {
  if (Check(schema, given)) return given as Static<T>
  const { field, message, ...details } = explainMismatch(schema as object as Schema, given, 'body')
  return fail('validation_error', { message: message.replaceAll('body.', ''), details: { field: field.replace(/^body\./, ''), ...details } })
}

function refuse(field: string, message: string, allowed: unknown): never {
  return fail('validation_error', { message, details: { field, allowed } })
}

function isText(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed()
}
