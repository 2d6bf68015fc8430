/** What a handler sees of a request. */
import type { FastifyRequest } from 'fastify'
import { fail } from '../lib/fail.ts'
import { noSuchWorkspace } from '../workspace/workspaces.ts'
import type { AccountCall } from './handlers.ts'
import { parseQuery } from './parse-query.ts'

/** The request as a call of its principal. */
export function callOf(request: FastifyRequest): AccountCall {
  const { principal } = request
  if (!principal) return fail('MISSING_USER_ID')
  const params = request.params as { readonly workspaceId?: string; readonly operationId?: string }
  return {
    principal,
    workspaceId: () => parseId(params.workspaceId, noSuchWorkspace),
    operationId: () => parseId(params.operationId, 'There is no such operation in this account.'),
    query: (schema) => parseQuery(schema, request.query as Record<string, unknown>, request.url),
    header(name) {
      const value = request.headers[name]
      return typeof value === 'string' ? value : undefined
    },
  }
}

/** What cannot be an id is as unknown as an id that is not there; NUL and the like never reach the store. */
function parseId(id: string | undefined, message: string): string {
  return id !== undefined && /^[A-Za-z0-9_-]{1,128}$/.test(id) ? id : fail('not_found', { message })
}
