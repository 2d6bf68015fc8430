/** Arbitrary requests, made from the contract: mostly near a valid one, so that they get past the first check. */
import { isChange, type Operation, type OperationName, operations, type Schema, takesGeneration } from '@alcove/contract'
import fc from 'fast-check'

/** A request to be sent, ids still open. */
export interface PlannedRequest {
  readonly operation: OperationName
  /** Number of a workspace made earlier, or text in its place. */
  readonly id: number | string
  /** Number of an operation that was done earlier. */
  readonly operationId: number
  /** Path and query with `_id_` and `_operation_` in place of the ids. */
  readonly path: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly credentials: 'own' | 'none' | 'wrong'
  readonly body: string | undefined
}

const names = Object.keys(operations) as OperationName[]
/** Creating, changing and deleting matter most; reads of a page that never changes least. */
const weights: Partial<Record<OperationName, number>> = {
  createWorkspace: 16,
  updateWorkspace: 6,
  deleteWorkspace: 3,
  deleteLifecycle: 1,
  openapi: 0,
  metrics: 0,
}

/** Requests for a server whose catalogue has these images. */
export function arbitraryRequest(images: readonly string[]): fc.Arbitrary<PlannedRequest> {
  const operation = fc.oneof(...names.map((name) => ({ weight: weights[name] ?? 2, arbitrary: fc.constant(name) })))
  return operation.chain((name) => planOf(name, operations[name], images))
}

function planOf(name: OperationName, operation: Operation, images: readonly string[]): fc.Arbitrary<PlannedRequest> {
  return fc.record({
    operation: fc.constant(name),
    id: mostly(
      fc.nat(50),
      fc.constantFrom('ws_aaaaaaaaaaaa', 'quota', '%00', '..', '%2e%2e%2f', 'ws_%F0%9F%98%80', '%zz', 'a'.repeat(300), "'--", '__proto__'),
    ),
    operationId: fc.nat(50),
    path: query(operation).map((search) => operation.path.replace(':workspaceId', '_id_').replace(':operationId', '_operation_') + search),
    method: mostly(fc.constant(operation.method), fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS', 'TRACE')),
    headers: headers(operation),
    credentials: fc.oneof({ weight: 40, arbitrary: fc.constant('own' as const) }, { weight: 1, arbitrary: fc.constantFrom('none' as const, 'wrong' as const) }),
    body: operation.body ? body(operation.body as Schema, images) : mostly(fc.constant(undefined), fc.constantFrom('', '{}', '{"a":1}', '{')),
  })
}

/** Ten to one. */
function mostly<A, B>(usual: fc.Arbitrary<A>, odd: fc.Arbitrary<B>): fc.Arbitrary<A | B> {
  return fc.oneof({ weight: 10, arbitrary: usual as fc.Arbitrary<A | B> }, { weight: 1, arbitrary: odd })
}

function headers(operation: Operation): fc.Arbitrary<Record<string, string>> {
  const type = mostly(fc.constant('application/json'), fc.constantFrom('', 'text/plain', 'application/json; charset=utf-16', 'x', 'application/json;'))
  const extra = fc.constantFrom(
    {},
    {},
    {},
    { 'x-request-id': 'fuzz-request-id' },
    { 'x-request-id': '\t' },
    { expect: '100-continue' },
    { accept: 'text/html' },
  )
  const sometimes = (isTaken: boolean, name: string, values: readonly string[]) =>
    isTaken
      ? fc.oneof({ weight: 2, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: fc.constantFrom(...values).map((value) => ({ [name]: value })) })
      : fc.constant({})
  const key = sometimes(isChange(operation), 'idempotency-key', ['k1', 'k2', 'k3', 'k4', 'k5', '', 'x'.repeat(256)])
  const generation = sometimes(takesGeneration(operation), 'if-match', [
    '*',
    '"1"',
    '"1"',
    '"2"',
    '1',
    'W/"1"',
    '"1", "2", "3"',
    '"x"',
    '"',
    '',
    '1'.repeat(200),
  ])
  const lastEvent = sometimes(operation.answer === 'events', 'last-event-id', ['0', '1', '100', '999999999999999', '', '-1', 'x', '9'.repeat(40)])
  return fc
    .tuple(type, extra, key, generation, lastEvent)
    .map(([contentType, ...rest]) => Object.assign({ 'content-type': contentType }, ...rest) as Record<string, string>)
}

function query({ query: schema }: Operation): fc.Arbitrary<string> {
  const properties = Object.entries((schema as Schema | undefined)?.properties ?? {})
  if (properties.length === 0) return mostly(fc.constant(''), fc.constantFrom('?', '?a=1', '?%'))
  const odd = fc.constantFrom('', '0', '-1', '1e9', '%00', '%E0%A4%A', 'x'.repeat(300), '99999999999999999999', '1&page=2', '%F0%9F%98%80')
  const parameters = properties.map(([name, property]) =>
    mostly(name === 'after' ? fc.constantFrom('_operation_', '0', '7') : valuesOf(property).map(String), odd).map(
      (value) => `${name}=${value.replaceAll(/[^\w.%&=-]/g, '_')}`,
    ),
  )
  return fc
    .subarray(parameters.map((_, index) => index))
    .chain((chosen) =>
      fc.tuple(...chosen.map((index) => parameters[index] as fc.Arbitrary<string>)).map((parts) => (parts.length > 0 ? `?${parts.join('&')}` : '')),
    )
}

const hostileTexts = [
  '',
  '{',
  'null',
  '[]',
  '"text"',
  '1e400',
  '{"image":NaN}',
  '{"config":{"cpus":1e400}}',
  '{"__proto__":{"name":"x"}}',
  '{"constructor":{"prototype":{"a":1}}}',
  '{"image":"busybox","config":{"__proto__":{"cpus":2}}}',
  '{"name":"\\u0000"}',
  '{"name":"\\ud800"}',
  '{"image":"busybox","image":1}',
  '['.repeat(5000),
  '{"a":'.repeat(40),
  '\ufeff{}',
  '{"name":1,}',
]

/** A valid body, a body with one place made wrong, or text that is no body at all. */
function body(schema: Schema, images: readonly string[]): fc.Arbitrary<string | undefined> {
  const valid = objectOf(schema, {
    image: mostly(fc.constantFrom(...images), fc.constantFrom('nothing-1', '', ' ', 'a/b:c')),
    // Mostly a new key, or nearly every create would repeat an earlier one.
    idempotency_key: mostly(
      fc.nat(1_000_000).map((key) => `b${key}`),
      fc.constantFrom('k1', 'k2', '', 'a\nb'),
    ),
  })
  const twisted = fc.tuple(valid, fc.nat(), hostileValue()).map(([value, at, odd]) => twist(value, at, odd))
  return fc.oneof(
    { weight: 6, arbitrary: valid.map((value) => JSON.stringify(value)) },
    { weight: 4, arbitrary: twisted.map((value) => JSON.stringify(value)) },
    { weight: 1, arbitrary: fc.constantFrom(undefined, ...hostileTexts) },
  )
}

function hostileValue(): fc.Arbitrary<unknown> {
  const special = fc.constantFrom<unknown>(
    null,
    true,
    -1,
    0,
    1.5,
    2 ** 53,
    -0,
    '',
    '\0',
    'a\u0000b',
    '\ud800',
    'x'.repeat(40_000),
    [],
    {},
    [[[]]],
    { a: { b: 1 } },
    '../../etc',
    '$(reboot)',
  )
  return fc.oneof(special, fc.jsonValue({ maxDepth: 3 }))
}

/** Replaces, adds or removes at the place that `at` chooses. */
function twist(value: unknown, at: number, odd: unknown): unknown {
  if (typeof value !== 'object' || value === null) return odd
  const keys = Object.keys(value)
  const key = keys[at % (keys.length + 2)]
  const copy = structuredClone(value) as Record<string, unknown>
  if (key === undefined) return at % 2 === 0 ? { ...copy, [`k${at % 7}`]: odd } : odd
  if (at % 3 === 0) delete copy[key]
  else copy[key] = twist(copy[key], Math.floor(at / 3), odd)
  return copy
}

/** Values of a schema, small enough that a plan lets them pass. */
function valuesOf(schema: Schema): fc.Arbitrary<unknown> {
  if (schema.enum) return fc.constantFrom(...schema.enum)
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map(valuesOf))
  if (schema.properties) return objectOf(schema)
  if (schema.patternProperties) return fc.dictionary(fc.constantFrom('A', 'B_1', 'c'), fc.constantFrom('v', ''), { maxKeys: 2 })
  switch (schema.type) {
    case 'integer':
    case 'number':
      return mostly(fc.constant(schema.minimum ?? 0), fc.integer({ min: schema.minimum ?? 0, max: schema.maximum ?? 100 }))
    case 'boolean':
      return fc.boolean()
    case 'array':
      return fc.array(valuesOf(schema.items ?? {}), { minLength: schema.minItems ?? 0, maxLength: (schema.minItems ?? 0) + 2 })
    case 'null':
      return fc.constant(null)
    default:
      return fc.constantFrom(...textsOf(schema.pattern ?? ''))
  }
}

function textsOf(pattern: string): string[] {
  const candidates = ['a', 'A=b', 'A', '/tmp/x', '10m', '3600', 'production', 'true', 'echo hi', '\u00e9\u{1f600}']
  const fitting = candidates.filter((text) => new RegExp(pattern).test(text))
  return fitting.length > 0 ? fitting : candidates
}

/** A few of the optional fields at a time: with all of them, hardly any object would be valid. */
function objectOf(schema: Schema, over: Readonly<Record<string, fc.Arbitrary<unknown>>> = {}): fc.Arbitrary<Record<string, unknown>> {
  const fields = Object.fromEntries(Object.entries(schema.properties ?? {}).map(([key, property]) => [key, over[key] ?? valuesOf(property)]))
  const required = schema.required ?? []
  const optional = Object.keys(fields).filter((key) => !required.includes(key))
  return fc.subarray(optional, { maxLength: Math.min(4, optional.length) }).chain((chosen) => {
    const keys = [...required, ...chosen]
    return fc.record(Object.fromEntries(keys.map((key) => [key, fields[key] as fc.Arbitrary<unknown>])))
  })
}
