/** Requests that match no operation: unknown paths, known paths with another method, and questions about methods. */
import { type Operation, operations } from '@alcove/contract'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { fail } from '../lib/fail.ts'

/** The handler of everything that no route took. @throws not_found, method_not_allowed */
export function answerUnmatched(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const allowed = methodsOf(request.url.split('?', 1)[0] ?? '')
  if (allowed.length === 0) return fail('not_found', { message: 'There is no such route; GET /openapi.json lists them all.' })
  reply.header('allow', allowed.join(', '))
  if (request.method === 'OPTIONS') return reply.code(204).send()
  return fail('method_not_allowed', { message: `This path takes ${allowed.join(', ')}.`, details: { allowed } })
}

/** Methods of a path; none when it is unknown. */
export function methodsOf(path: string): string[] {
  const methods = (Object.values(operations) as readonly Operation[]).filter((operation) => matches(operation.path, path)).map(({ method }) => method)
  if (methods.length === 0) return []
  return [...new Set([...methods, ...(methods.includes('GET') ? ['HEAD'] : []), 'OPTIONS'])].sort()
}

function matches(pattern: string, path: string): boolean {
  const wanted = pattern.split('/')
  const given = path.replace(/(?<=.)\/$/, '').split('/')
  return wanted.length === given.length && wanted.every((part, index) => (part.startsWith(':') ? given[index] !== '' : part === given[index]))
}
