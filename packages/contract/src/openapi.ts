/** Renders the OpenAPI 3.1 document from the list of operations. */
import { type ErrorCode, errors, httpStatus } from './errors.ts'
import { changeErrors, commonErrors, isChange, type Operation, takesGeneration } from './operation.ts'
import { operations } from './operations.ts'
import type { Schema } from './print-types.ts'
import { wireTypes } from './wire-types.ts'

type Json = { readonly [key: string]: unknown }

/** The document, as `GET /openapi.json` answers it. Schemas are plain JSON Schema 2020-12, which OpenAPI 3.1 is built on. */
export function renderOpenApi(version: string): Json {
  const paths: Record<string, Record<string, Json>> = {}
  for (const [name, operation] of Object.entries(operations) as [string, Operation][]) {
    const path = operation.path.replaceAll(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [operation.method.toLowerCase()]: renderOperation(name, operation) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Alcove',
      version,
      description: 'Workspaces: isolated micro-VMs behind a REST API.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    paths,
    components: {
      schemas: Object.fromEntries(Object.entries(wireTypes).map(([name, { schema, description }]) => [name, withReferences({ description, ...schema }, name)])),
      securitySchemes: {
        clientId: { type: 'apiKey', in: 'header', name: 'X-Client-ID' },
        clientSecret: { type: 'apiKey', in: 'header', name: 'X-Client-Secret' },
      },
    },
  }
}

/** Every code that an operation may answer with, in the order of the registry. */
export function errorsOf(operation: Operation): ErrorCode[] {
  const common: readonly ErrorCode[] = operation.access === 'account' ? commonErrors : ['bad_request', 'headers_too_large', 'internal_error']
  const change: readonly ErrorCode[] = isChange(operation) ? changeErrors : []
  const generation: readonly ErrorCode[] = takesGeneration(operation) ? ['precondition_failed'] : []
  const codes = new Set<ErrorCode>([...common, ...change, ...generation, ...operation.errors])
  return (Object.keys(errors) as ErrorCode[]).filter((code) => codes.has(code))
}

const header = (name: string, description: string, schema: Json): Json => ({ name, in: 'header', description, schema })
const idempotencyKey = header('Idempotency-Key', 'Sent again with the same request, it has the answer of the first; kept for 24 hours.', {
  type: 'string',
  minLength: 1,
  maxLength: 255,
})
const ifMatch = header('If-Match', 'Generation of the workspace, as the `ETag` of its answers: the request is refused when it has been started anew.', {
  type: 'string',
})
const lastEventId = header('Last-Event-ID', 'Last event that was seen.', { type: 'string' })

function renderOperation(name: string, operation: Operation): Json {
  const parameters = [
    ...parametersOf('path', operation.params as Schema | undefined),
    ...parametersOf('query', operation.query as Schema | undefined),
    ...(isChange(operation) ? [idempotencyKey] : []),
    ...(takesGeneration(operation) ? [ifMatch] : []),
    ...(operation.answer === 'events' ? [lastEventId] : []),
  ]
  return {
    operationId: name,
    summary: operation.summary,
    ...(operation.access === 'account' ? { security: [{ clientId: [], clientSecret: [] }] } : { security: [] }),
    ...(parameters.length > 0 ? { parameters } : {}),
    ...(operation.body ? { requestBody: { required: !operation.bodyOptional, content: jsonContent(withReferences(operation.body as Schema)) } } : {}),
    responses: { [operation.status]: renderAnswer(operation), ...renderErrors(operation) },
  }
}

function parametersOf(place: 'path' | 'query', schema: Schema | undefined): Json[] {
  return Object.entries(schema?.properties ?? {}).map(([name, { description, ...property }]) => ({
    name,
    in: place,
    required: place === 'path',
    ...(description ? { description } : {}),
    schema: property,
  }))
}

function renderAnswer({ answer }: Operation): Json {
  const description = 'Success.'
  if (answer === 'text') return { description, content: { 'text/plain': { schema: { type: 'string' } } } }
  if (answer === 'events') return { description, content: { 'text/event-stream': { schema: { type: 'string' } } } }
  if (answer === 'json') return { description, content: jsonContent({ type: 'object' }) }
  return { description, content: jsonContent(withReferences(answer as Schema)) }
}

/** One response for each status, naming the codes that come with it. */
function renderErrors(operation: Operation): Json {
  const byStatus = Map.groupBy(errorsOf(operation), httpStatus)
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => [
      status,
      {
        description: codes.map((code) => `\`${code}\`: ${errors[code].meaning}`).join(' '),
        content: jsonContent({ $ref: '#/components/schemas/ErrorAnswer' }),
      },
    ]),
  )
}

const jsonContent = (schema: unknown): Json => ({ 'application/json': { schema } })

const shapes = new Map(Object.entries(wireTypes).map(([name, { schema }]) => [shapeOf(schema), name]))

function shapeOf({ description: _description, default: _default, ...shape }: Schema): string {
  return JSON.stringify(shape)
}

/** Replaces what equals a named type by a reference to it; `self` is the type that is being printed. */
function withReferences(schema: Schema, self?: string): unknown {
  const name = shapes.get(shapeOf(schema))
  if (name !== undefined && name !== self) return referenceTo(name, schema)
  const inside = (schemas: Readonly<Record<string, Schema>>) => Object.fromEntries(Object.entries(schemas).map(([key, value]) => [key, withReferences(value)]))
  return {
    ...schema,
    ...(schema.properties ? { properties: inside(schema.properties) } : {}),
    ...(schema.patternProperties ? { patternProperties: inside(schema.patternProperties) } : {}),
    ...(schema.items ? { items: withReferences(schema.items) } : {}),
    ...(schema.anyOf ? { anyOf: schema.anyOf.map((option) => withReferences(option)) } : {}),
  }
}

/** OpenAPI 3.1 allows a description and a default beside a reference. */
function referenceTo(name: string, { description, default: preset }: Schema): Json {
  return { $ref: `#/components/schemas/${name}`, ...(description ? { description } : {}), ...(preset === undefined ? {} : { default: preset }) }
}
