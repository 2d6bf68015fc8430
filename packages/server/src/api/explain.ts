/** Says where and why a value does not match a schema, in words for people and facts for programs. */
import type { Schema } from '@alcove/contract'
import { Check } from 'typebox/value'
import { nearest } from './nearest.ts'

/** The first place where a value is wrong. */
export interface Mismatch {
  /** Path of the place, such as `config.env.0.key`. */
  readonly field: string
  readonly message: string
  /** What the place takes: a list of values, bounds, known keys, or words. */
  readonly allowed: unknown
  /** Nearest known key, when the key is unknown. */
  readonly suggestion?: string
}

/** Explains a value that is known not to match. The value itself is never repeated: it may be a secret. */
export function explainMismatch(schema: Schema, value: unknown, field: string): Mismatch {
  const deeper = isRecord(value) ? explainObject(schema, value, field) : Array.isArray(value) ? explainArray(schema, value, field) : undefined
  return deeper ?? explainOption(schema, value, field) ?? { field, message: `${field} must be ${describe(schema)}.`, allowed: allowedBy(schema) }
}

/** Whether a value is an object of JSON that is not a list. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function explainObject(schema: Schema, value: Record<string, unknown>, field: string): Mismatch | undefined {
  if (schema.patternProperties) return explainMap(Object.values(schema.patternProperties)[0] ?? {}, value, field)
  const { properties } = schema
  if (!properties) return undefined
  const known = Object.keys(properties)
  for (const [key, item] of Object.entries(value)) {
    const property = Object.hasOwn(properties, key) ? properties[key] : undefined
    if (!property) return unknownKey(key, known, field)
    if (!Check(property as object, item)) return explainMismatch(property, item, `${field}.${key}`)
  }
  const missing = schema.required?.find((key) => !Object.hasOwn(value, key))
  return missing === undefined
    ? undefined
    : { field: `${field}.${missing}`, message: `${field}.${missing} is required.`, allowed: allowedBy(properties[missing] ?? {}) }
}

function explainMap(schema: Schema, value: Record<string, unknown>, field: string): Mismatch | undefined {
  const wrong = Object.entries(value).find(([, item]) => !Check(schema as object, item))
  return wrong && explainMismatch(schema, wrong[1], `${field}.${wrong[0].slice(0, 64)}`)
}

function explainArray(schema: Schema, value: readonly unknown[], field: string): Mismatch | undefined {
  const { items } = schema
  if (!items || (schema.maxItems !== undefined && value.length > schema.maxItems)) return undefined
  const wrong = value.findIndex((item) => !Check(items as object, item))
  return wrong < 0 ? undefined : explainMismatch(items, value[wrong], `${field}.${wrong}`)
}

/** Of several options, the one that is of the same kind as the value tells the most. */
function explainOption(schema: Schema, value: unknown, field: string): Mismatch | undefined {
  const option = schema.anyOf?.find((candidate) => kindOf(candidate) === (Array.isArray(value) ? 'array' : isRecord(value) ? 'object' : typeof value))
  return option && explainMismatch(option, value, field)
}

function kindOf({ type }: Schema): string | undefined {
  return type === 'integer' ? 'number' : type
}

function unknownKey(key: string, known: readonly string[], field: string): Mismatch {
  const suggestion = nearest(key, known)
  const path = `${field}.${key.slice(0, 64)}`
  const hint = suggestion === undefined ? `Known keys are ${known.join(', ')}.` : `Did you mean ${field}.${suggestion}?`
  return { field: path, message: `${path} is not known. ${hint}`, allowed: known, ...(suggestion === undefined ? {} : { suggestion }) }
}

function allowedBy(schema: Schema): unknown {
  if (schema.enum) return schema.enum
  if (schema.type === 'boolean') return [true, false]
  if (schema.minimum !== undefined && schema.maximum !== undefined) return { min: schema.minimum, max: schema.maximum }
  return describe(schema)
}

/** A schema in words, such as `an integer from 1 to 32`. */
export function describe(schema: Schema): string {
  if (schema.enum) return `one of ${schema.enum.map((value) => JSON.stringify(value)).join(', ')}`
  if (schema.anyOf) return schema.anyOf.map(describe).join(', or ')
  switch (schema.type) {
    case 'integer':
    case 'number':
      return `${schema.type === 'integer' ? 'an integer' : 'a number'}${range(schema)}`
    case 'boolean':
      return 'true or false'
    case 'string':
      return `a string${lengths(schema)}${form(schema)}`
    case 'array':
      return `a list of ${schema.minItems ?? 0} to ${schema.maxItems ?? 'any number of'} entries`
    case 'null':
      return 'null'
    default:
      return 'an object'
  }
}

function lengths({ minLength, maxLength }: Schema): string {
  if (maxLength === undefined) return ''
  return minLength === undefined ? ` of at most ${maxLength} characters` : ` of ${minLength} to ${maxLength} characters`
}

/** Examples tell people more than a pattern does. */
function form({ examples, pattern }: Schema): string {
  if (examples) return ` such as ${examples.map((example) => JSON.stringify(example)).join(', ')}`
  return pattern ? ` that matches ${pattern}` : ''
}

function range({ minimum, maximum }: Schema): string {
  if (minimum !== undefined && maximum !== undefined) return ` from ${minimum} to ${maximum}`
  return minimum === undefined ? '' : ` of at least ${minimum}`
}
