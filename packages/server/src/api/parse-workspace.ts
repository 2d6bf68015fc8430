/** Reads the bodies of create, update and start. The order of the checks is the order in which a caller is told. */
import { CreateBody, limits, type Schema, StartBody, UpdateBody, WorkspaceMode } from '@alcove/contract'
import { Check } from 'typebox/value'
import { fail } from '../lib/fail.ts'
import type { CreateRequest, UpdateRequest } from '../workspace/workspaces.ts'
import { describe, explainMismatch, isRecord } from './explain.ts'
import { nearest } from './nearest.ts'
import { parseConfig } from './parse-config.ts'

type Body = Readonly<Record<string, unknown>>

/**
 * Parses the body of a create. Unknown keys are tolerated: official clients send some.
 * @throws validation_error, INVALID_NAME_LENGTH, INVALID_NAMESPACE, INVALID_IMAGE, INVALID_CONFIG
 */
export function parseCreate(given: unknown): CreateRequest {
  const body = parseObject(given)
  const name = parseName(body.name)
  const namespace = parseNamespace(body.namespace)
  const image = parseImage(body.image)
  const mode = parseField(body, 'mode', WorkspaceMode as Schema) as CreateRequest['mode']
  const type = parseField(body, 'type', CreateBody.properties.type as Schema) as string | undefined
  parseField(body, 'wait_ready', CreateBody.properties.wait_ready as Schema)
  const config = parseConfig(body.config)
  return {
    image,
    config,
    // An empty name is no name: one is generated.
    ...(name ? { name } : {}),
    ...(namespace === undefined ? {} : { namespace }),
    ...(mode === undefined ? {} : { mode }),
    ...(type === undefined ? {} : { type }),
  }
}

/** Parses the body of an update; `{}` changes nothing. @throws validation_error, INVALID_NAME_LENGTH, INVALID_CONFIG */
export function parseUpdate(given: unknown): UpdateRequest {
  const body = parseObject(given)
  const known = Object.keys(UpdateBody.properties)
  const unknown = Object.keys(body).find((key) => !known.includes(key))
  if (unknown !== undefined) return refuseUnknown(unknown, known)
  const name = parseName(body.name)
  if (name === '') refuse('name', 'name must not be empty.', 'a name')
  return { ...(name === undefined ? {} : { name }), ...(body.config === undefined ? {} : { config: parseConfig(body.config) }) }
}

/** Parses the body of a start. @throws validation_error */
export function parseStart(given: unknown): { force: boolean } {
  const force = parseField(parseObject(given), 'force', StartBody.properties.force as Schema)
  return { force: force === true }
}

function parseObject(given: unknown): Body {
  return isRecord(given) ? given : refuse('body', 'The body must be a JSON object.', 'an object')
}

function refuse(field: string, message: string, allowed: unknown): never {
  return fail('validation_error', { message, details: { field, allowed } })
}

function refuseUnknown(key: string, known: readonly string[]): never {
  const field = key.slice(0, 64)
  const suggestion = nearest(key, known)
  return fail('validation_error', {
    message: `${field} cannot be updated; only ${known.join(' and ')} can.`,
    details: { field, allowed: known, ...(suggestion === undefined ? {} : { suggestion }) },
  })
}

function parseField(body: Body, field: string, schema: Schema): unknown {
  const value = Object.hasOwn(body, field) ? body[field] : undefined
  if (value === undefined) return undefined
  if (Check(schema as object, value) && (typeof value !== 'string' || isLine(value))) return value
  const { message, allowed } = explainMismatch(schema, value, field)
  return refuse(field, message, allowed)
}

/** Counts characters, not UTF-16 units. */
function parseName(name: unknown): string | undefined {
  if (name === undefined) return undefined
  if (typeof name !== 'string') return refuse('name', 'name must be a string.', 'a string')
  if ([...name].length > limits.nameChars) fail('INVALID_NAME_LENGTH', { details: { field: 'name', max: limits.nameChars } })
  if (!isLine(name)) return refuse('name', 'name must be text without control characters.', 'text without control characters')
  return name
}

/** Text on one line: no control characters, which would reach terminals and logs, and no broken Unicode. */
function isLine(text: string): boolean {
  return !/\p{Cc}/u.test(text) && text.isWellFormed()
}

const namespacePattern = new RegExp(`^[A-Za-z0-9-]{1,${limits.namespaceChars}}$`)

function parseNamespace(namespace: unknown): string | null | undefined {
  if (namespace === undefined || namespace === null) return namespace
  if (typeof namespace === 'string' && namespacePattern.test(namespace)) return namespace
  return fail('INVALID_NAMESPACE', {
    message: `namespace must be 1 to ${limits.namespaceChars} letters, digits and hyphens.`,
    details: { field: 'namespace', allowed: namespacePattern.source },
  })
}

/** Whether the image is in the catalogue is for the service to say. */
function parseImage(image: unknown): string {
  const schema = CreateBody.properties.image as Schema
  if (typeof image === 'string' && Check(schema as object, image) && isLine(image) && image.trim() !== '') return image
  return fail('INVALID_IMAGE', {
    message: 'image must be an id of the catalogue; GET /workspace/images lists them.',
    details: { field: 'image', allowed: describe(schema) },
  })
}
