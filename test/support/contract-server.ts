/**
 * A small HTTP server that answers as the contract says and fails on demand: what the tests of SDK and CLI talk to.
 * Every request, and every answer it makes, is checked against its operation, so that neither side can drift from the contract.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { errorsOf, httpStatus, isChange, type Operation, type OperationName, operations, takesGeneration, type Workspace } from '@alcove/contract'
import type { TSchema } from 'typebox'
import Value from 'typebox/value'
import { type Checked, type ContractState, createHandlers, type Handled, Refusal } from './contract-handlers.ts'
import { createContractHistory } from './contract-history.ts'
import { type Held, sampleHeld, sampleWorkspace, setStatus } from './contract-samples.ts'

export { setStatus } from './contract-samples.ts'

/** What is to happen to a request instead of, or after, its handling. */
export type Fault =
  | { readonly kind: 'drop-before' | 'drop-after' | 'hang' }
  | { readonly kind: 'answer'; readonly status: number; readonly body: string; readonly headers?: Record<string, string> }

/** A request as it came. */
export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly query: Record<string, string>
  readonly headers: IncomingMessage['headers']
  readonly body: unknown
}

/** The running server. */
export interface ContractServer extends ContractState {
  readonly url: string
  readonly requests: SeenRequest[]
  /** Faults by `METHOD /path`, taken from the front; `*` matches any request. */
  failNext(route: string, ...faults: Fault[]): void
  /** Resolves when `count` requests have come. */
  seen(count: number): Promise<void>
  close(): Promise<void>
}

export const clientId = 'key_test'
export const clientSecret = 'secret_test'

/** Starts the server on a free port of the loopback address. */
export async function startContractServer(): Promise<ContractServer> {
  const faults = new Map<string, Fault[]>()
  const answers = new Map<string, { readonly request: string; readonly reply: Reply }>()
  const held = new Map<string, Held>()
  const waiters: { count: number; resolve: () => void }[] = []
  let made = 0
  const http = createServer((request, response) => void serve(request, response))
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const server: ContractServer = {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    requests: [],
    workspaces: new Map(),
    logs: new Map(),
    history: createContractHistory(),
    createdStatus: 'running',
    onLook() {},
    failNext: (route, ...more) => void faults.set(route, [...(faults.get(route) ?? []), ...more]),
    seen: (count) => new Promise((resolve) => (server.requests.length >= count ? resolve() : waiters.push({ count, resolve }))),
    held(id) {
      const known = held.get(id) ?? sampleHeld()
      held.set(id, known)
      return known
    },
    addWorkspace(fields = {}) {
      made++
      const workspace = { ...sampleWorkspace(`ws_${String(made).padStart(12, 'a')}`), ...fields }
      setStatus(workspace, workspace.status)
      server.workspaces.set(workspace.id, workspace)
      server.history.record('create', { workspace_id: workspace.id, type: 'status', from: null, to: workspace.status })
      return workspace
    },
    close: () =>
      new Promise((resolve) => {
        http.close(() => resolve())
        http.closeAllConnections()
      }),
  }
  const handlers = createHandlers(server)
  return server

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const seen = await readRequest(request)
    server.requests.push(seen)
    for (const waiter of waiters) if (server.requests.length >= waiter.count) waiter.resolve()
    const fault = faults.get(`${seen.method} ${seen.path}`)?.shift() ?? faults.get('*')?.shift()
    if (fault?.kind === 'hang') return
    if (fault?.kind === 'drop-before') return void request.socket.destroy()
    if (fault?.kind === 'answer') return void response.writeHead(fault.status, fault.headers).end(fault.body)
    const reply = answer(seen)
    if (fault?.kind === 'drop-after') return void request.socket.destroy()
    if (reply.streamFrom) return server.history.stream(response, reply.streamFrom.after)
    response.writeHead(reply.status, { 'content-type': 'application/json', 'x-request-id': 'req_header' }).end(JSON.stringify(reply.body))
  }

  function answer(request: SeenRequest): Reply {
    const found = findOperation(request)
    try {
      if (request.headers['x-client-id'] !== clientId || request.headers['x-client-secret'] !== clientSecret) {
        throw new Refusal('MISSING_USER_ID', 'the key is unknown; make one with `alcove key create`')
      }
      if (!found) throw new Refusal('not_found', 'no such route')
      return isChange(found.operation) ? changeOnce(request, found) : perform(request, found)
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      const { code, message, details } = error
      if (found && !errorsOf(found.operation).includes(code)) throw new Error(`test server: ${found.name} does not answer with ${code}`)
      return { status: httpStatus(code), body: { success: false, error: code, code, message, ...(details ? { details } : {}), requestId: 'req_body' } }
    }
  }

  /** The clients under test send a key with every change but a ping; what was done under one is not done again. */
  function changeOnce(request: SeenRequest, found: Found): Reply {
    const key = request.headers['idempotency-key']
    if (key === undefined && found.name === 'pingWorkspace') return perform(request, found)
    if (typeof key !== 'string' || key === '') throw new Error(`test server: ${found.name} without an Idempotency-Key`)
    const shape = JSON.stringify([request.method, request.path, request.body, request.headers['if-match']])
    const known = answers.get(key)
    if (known && known.request !== shape) throw new Refusal('idempotency_mismatch', 'use a new key for a new request')
    if (known) return known.reply
    const reply = perform(request, found)
    // A copy: what is stored is the answer as it was.
    answers.set(key, { request: shape, reply: structuredClone(reply) })
    return reply
  }

  function perform(request: SeenRequest, { name, operation, params }: Found): Reply {
    checkGeneration(request, operation, server.workspaces.get(params.workspaceId ?? ''))
    const checked = { params, query: checkQuery(operation, request.query), body: checkBody(operation, request.body) }
    if (name === 'streamEvents')
      return { status: 200, body: undefined, streamFrom: { after: request.headers['last-event-id']?.toString() ?? checked.query.after } }
    if (!(name in handlers)) throw new Refusal('not_found', 'no such route')
    const body = { success: true, ...handlers[name as Handled](checked) }
    if (!Value.Check(operation.answer as TSchema, body)) {
      throw new Error(`test server: answer of ${name} is against the contract: ${JSON.stringify(Value.Errors(operation.answer as TSchema, body))}`)
    }
    return { status: operation.status, body }
  }
}

interface Reply {
  readonly status: number
  readonly body: unknown
  /** The answer is a stream instead, behind this event. */
  readonly streamFrom?: { readonly after: string | undefined }
}

interface Found {
  readonly name: OperationName
  readonly operation: Operation
  readonly params: Readonly<Record<string, string>>
}

async function readRequest(request: IncomingMessage): Promise<SeenRequest> {
  const url = new URL(request.url ?? '/', 'http://server')
  let text = ''
  for await (const chunk of request) text += chunk
  const query = Object.fromEntries(url.searchParams)
  return { method: request.method ?? '', path: url.pathname, query, headers: request.headers, body: text === '' ? undefined : JSON.parse(text) }
}

/** Literal segments win over parameters. */
const routes = Object.entries<Operation>(operations)
  .map(([name, operation]) => ({ name: name as OperationName, operation, shape: new RegExp(`^${operation.path.replaceAll(/:(\w+)/g, '(?<$1>[^/]+)')}$`) }))
  .toSorted((a, b) => Number(a.operation.path.includes(':')) - Number(b.operation.path.includes(':')))

function findOperation({ method, path }: SeenRequest): Found | undefined {
  for (const { name, operation, shape } of routes) {
    const match = operation.method === method ? shape.exec(path) : null
    if (match)
      return { name, operation, params: Object.fromEntries(Object.entries(match.groups ?? {}).map(([key, value]) => [key, decodeURIComponent(value)])) }
  }
  return undefined
}

function checkGeneration({ headers }: SeenRequest, operation: Operation, workspace: Workspace | undefined): void {
  const given = headers['if-match']
  if (given === undefined) return
  const [, generation] = /^"(\d+)"$/.exec(given) ?? []
  if (!takesGeneration(operation) || generation === undefined) throw new Error(`test server: If-Match: ${given} has no meaning here`)
  if (workspace && workspace.generation !== Number(generation)) throw new Refusal('precondition_failed', `the workspace has generation ${workspace.generation}`)
}

function checkQuery({ query: schema }: Operation, given: Record<string, string>): Checked['query'] {
  const known = Object.keys((schema as { properties?: object } | undefined)?.properties ?? {})
  const unknown = Object.keys(given).find((name) => !known.includes(name))
  if (unknown !== undefined) throw new Error(`test server: a query with ${unknown}, which the contract does not know`)
  if (!schema) return {}
  const query = Value.Convert(schema, { ...given })
  check(schema, query, 'validation_error')
  return query
}

function checkBody({ body: schema, bodyOptional }: Operation, body: unknown): unknown {
  if (!schema && body !== undefined) throw new Error('test server: a body where the contract has none')
  if (!schema || (body === undefined && bodyOptional)) return undefined
  check(schema, body, 'INVALID_CONFIG')
  return body
}

/** @throws Refusal naming the first field that is wrong; `invalid` is the code for what lies in the config. */
function check(schema: TSchema, value: unknown, invalid: 'INVALID_CONFIG' | 'validation_error'): void {
  if (Value.Check(schema, value)) return
  const [first] = Value.Errors(schema, value)
  const field = (first?.instancePath ?? '').slice(1).replaceAll('/', '.')
  const code = field.startsWith('config') ? invalid : 'validation_error'
  throw new Refusal(code, `${field || 'the body'} ${first?.message}`, { field, ...(first && 'params' in first ? { allowed: first.params } : {}) })
}
