/** Binds every operation of the contract to its handler: authentication, answer schema and metrics come from the table. */
import { isChange, type Operation, type OperationName, operations } from '@alcove/contract'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Clock } from '../lib/clock.ts'
import type { Logger } from '../lib/log.ts'
import type { Denials } from '../tenancy/denials.ts'
import type { Principal } from '../tenancy/principal.ts'
import type { ExactlyOnce } from '../workspace/exactly-once.ts'
import { type Authenticate, authenticateRequest } from './auth.ts'
import { changeRoute } from './bind-change.ts'
import { callOf } from './call.ts'
import { recordDenial } from './denial.ts'
import type { AccountCall, Handlers, Page } from './handlers.ts'
import { sendEvents } from './send-events.ts'
import { createSerializers } from './serialize.ts'

type AccountHandler = (call: AccountCall) => Promise<unknown>
type PublicHandler = () => Promise<unknown>

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Operation that the route is bound to. */
    operation?: OperationName
  }
  interface FastifyRequest {
    /** Who is calling; `null` on public routes and before authentication. */
    principal: Principal | null
  }
}

/** What routes are made of besides their handlers. */
export interface BindDependencies {
  readonly authenticate: Authenticate
  readonly exactlyOnce: ExactlyOnce
  readonly denials: Denials
  readonly clock: Clock
  readonly log: Logger
}

interface RouteDependencies extends BindDependencies {
  /** Aborts when the server closes: what never ends by itself ends then. */
  readonly closing: AbortSignal
}

/** Adds a route for each operation. */
export function bindOperations(app: FastifyInstance, handlers: Handlers, deps: BindDependencies): void {
  app.decorateRequest('principal', null)
  const serializers = createSerializers()
  const closing = new AbortController()
  app.addHook('preClose', async () => closing.abort())
  const inner = { ...deps, closing: closing.signal }
  // Fastify sends bytes as they are; only its types ask for a string.
  app.setSerializerCompiler(({ schema }) => serializers(schema) as (answer: unknown) => string)
  for (const [name, operation] of Object.entries(operations) as [OperationName, Operation][]) {
    const route = operation.access === 'public' ? publicRoute(handlers[name] as PublicHandler, operation) : accountRoute(name, operation, handlers, inner)
    app.route({ method: operation.method, url: operation.path, config: { operation: name }, schema: { response: responseSchema(operation) }, ...route })
  }
}

/** The schema is the serialiser: a field it does not declare never leaves, a missing one is an internal error. */
function responseSchema({ status, answer }: Operation): Record<number, unknown> {
  return typeof answer === 'string' ? {} : { [status]: answer }
}

function accountRoute(name: OperationName, operation: Operation, handlers: Handlers, deps: RouteDependencies) {
  return {
    // Before anything else of the request is looked at, its body above all.
    onRequest: (request: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void) => {
      authenticateRequest(deps.authenticate, request.headers, request.socket.remoteAddress ?? '').then(
        (principal) => {
          request.principal = principal
          done()
        },
        (error) => void recordDenial(deps.denials, request, name, error).finally(() => done(error)),
      )
    },
    handler: isChange(operation)
      ? changeRoute(name, operation, handlers[name] as Parameters<typeof changeRoute>[2], deps)
      : readRoute(handlers[name] as AccountHandler, operation, deps),
  }
}

function readRoute(handler: AccountHandler, { status, answer }: Operation, { clock, log, closing }: RouteDependencies) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    const given = await handler(callOf(request))
    if (answer === 'events') return sendEvents(reply, given as Parameters<typeof sendEvents>[1], { clock, log, closing })
    addGeneration(reply, given)
    reply.code(status)
    return given
  }
}

function publicRoute(handler: PublicHandler, { status, answer }: Operation) {
  return {
    handler: async (_request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
      const given = await handler()
      reply.code(status)
      if (typeof answer !== 'string') return given
      const { contentType, text } = given as Page
      reply.type(contentType)
      return text
    },
  }
}

/** Names the generation of an answer's workspace, as `If-Match` takes it. */
export function addGeneration(reply: FastifyReply, answer: unknown): void {
  const workspace = (answer as { readonly workspace?: { readonly generation?: number } }).workspace
  if (workspace?.generation !== undefined) reply.header('etag', `"${workspace.generation}"`)
}
