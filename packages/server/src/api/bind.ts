/** Binds every operation of the contract to its handler: authentication, answer schema and metrics come from the table. */
import { type Operation, type OperationName, operations } from '@alcove/contract'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { fail } from '../lib/fail.ts'
import type { Principal } from '../tenancy/principal.ts'
import { noSuchWorkspace } from '../workspace/workspaces.ts'
import { type Authenticate, authenticateRequest } from './auth.ts'
import { readJson } from './body.ts'
import type { AccountCall, Handlers, Page } from './handlers.ts'
import { parseQuery } from './parse-query.ts'
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

/** Adds a route for each operation. */
export function bindOperations(app: FastifyInstance, handlers: Handlers, authenticate: Authenticate): void {
  app.decorateRequest('principal', null)
  const serializers = createSerializers()
  // Fastify sends bytes as they are; only its types ask for a string.
  app.setSerializerCompiler(({ schema }) => serializers(schema) as (answer: unknown) => string)
  for (const [name, operation] of Object.entries(operations) as [OperationName, Operation][]) {
    const route =
      operation.access === 'account'
        ? accountRoute(handlers[name] as AccountHandler, operation, authenticate)
        : publicRoute(handlers[name] as PublicHandler, operation)
    app.route({ method: operation.method, url: operation.path, config: { operation: name }, schema: { response: responseSchema(operation) }, ...route })
  }
}

/** The schema is the serialiser: a field it does not declare never leaves, a missing one is an internal error. */
function responseSchema({ status, answer }: Operation): Record<number, unknown> {
  return typeof answer === 'string' ? {} : { [status]: answer }
}

function accountRoute(handler: AccountHandler, { status }: Operation, authenticate: Authenticate) {
  return {
    // Before anything else of the request is looked at, its body above all.
    onRequest: (request: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void) => {
      authenticateRequest(authenticate, request.headers, request.socket.remoteAddress ?? '').then((principal) => {
        request.principal = principal
        done()
      }, done)
    },
    handler: async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
      const answer = await handler(callOf(request))
      reply.code(status)
      return answer
    },
  }
}

function callOf(request: FastifyRequest): AccountCall {
  const { principal } = request
  if (!principal) return fail('MISSING_USER_ID')
  return {
    principal,
    headers: request.headers,
    workspaceId: () => parseId((request.params as { workspaceId?: string }).workspaceId),
    query: (schema) => parseQuery(schema, request.query as Record<string, unknown>, request.url),
    body: () => readJson(request.raw),
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

/** What cannot be an id is as unknown as an id that is not there; NUL and the like never reach the store. */
function parseId(id: string | undefined): string {
  return id !== undefined && /^[A-Za-z0-9_-]{1,128}$/.test(id) ? id : fail('not_found', { message: noSuchWorkspace })
}
