/** Lets pages of listed origins call the API from a browser. Off unless the operator lists an origin. */
import type { FastifyInstance } from 'fastify'
import { methodsOf } from './not-found.ts'

const requestHeaders = 'content-type, idempotency-key, if-match, last-event-id, x-client-id, x-client-secret, x-request-id'
const exposedHeaders = 'etag, idempotent-replayed, retry-after, x-operation-id, x-request-id'
/** Seconds a browser may remember the answer to a preflight. */
const maxAge = '600'

/** Adds the headers of CORS for exactly these origins, and answers their preflights. */
export function allowOrigins(app: FastifyInstance, origins: readonly string[]): void {
  if (origins.length === 0) return
  const allowed = new Set(origins)
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('vary', 'origin')
    const { origin } = request.headers
    if (origin === undefined || !allowed.has(origin)) return done()
    reply.header('access-control-allow-origin', origin).header('access-control-expose-headers', exposedHeaders)
    if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined) return done()
    const methods = methodsOf(request.url.split('?', 1)[0] ?? '')
    if (methods.length === 0) return done()
    reply
      .code(204)
      .header('access-control-allow-methods', methods.join(', '))
      .header('access-control-allow-headers', requestHeaders)
      .header('access-control-max-age', maxAge)
      .send()
  })
}
