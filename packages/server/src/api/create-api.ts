/** The HTTP server: limits, envelope and routes. Nothing here knows what a workspace is. */
import type { IncomingHttpHeaders } from 'node:http'
import { limits } from '@alcove/contract'
import { type FastifyInstance, fastify } from 'fastify'
import type { Registry } from 'prom-client'
import type { Clock } from '../lib/clock.ts'
import { newId } from '../lib/ids.ts'
import type { Logger } from '../lib/log.ts'
import type { Denials } from '../tenancy/denials.ts'
import type { EventFeed } from '../workspace/event-feed.ts'
import type { ExactlyOnce } from '../workspace/exactly-once.ts'
import type { History } from '../workspace/history.ts'
import type { Workspaces } from '../workspace/workspaces.ts'
import type { Authenticate } from './auth.ts'
import { bindOperations } from './bind.ts'
import { allowOrigins } from './cors.ts'
import { sendError } from './errors.ts'
import { createHistoryHandlers } from './history.ts'
import { createLifecycleHandlers } from './lifecycle.ts'
import { createRequestMetrics } from './metrics.ts'
import { answerUnmatched } from './not-found.ts'
import { answerClientError, answerConnect } from './raw-errors.ts'
import { createServerInfoHandlers } from './server-info.ts'
import { createWorkspaceHandlers } from './workspaces.ts'

/** What the API is made of. */
export interface ApiDeps {
  readonly workspaces: Workspaces
  readonly history: History
  readonly feed: EventFeed
  readonly exactlyOnce: ExactlyOnce
  readonly denials: Denials
  readonly authenticate: Authenticate
  readonly clock: Clock
  readonly log: Logger
  /** Metrics of requests are registered here; the whole registry is served. */
  readonly metrics: Registry
  readonly version: string
  /** Origins whose pages may call the API, such as `https://console.example`; none by default. */
  readonly corsOrigins?: readonly string[]
}

/** How long a client may take, ms. An answer may take as long as a boot does. */
const timeouts = {
  /** To send its headers. */
  headersMs: 10_000,
  /** To send the whole request. */
  requestMs: 30_000,
  /** How often both are looked at. */
  checkMs: 5_000,
  /** Between two requests; longer than the 60 s after which common proxies close, so that they never meet a closed socket. */
  keepAliveMs: 65_000,
} as const

/** Connections at a time; each costs a descriptor and some 20 kB. */
const maxConnections = 4096

/** Makes the server; the caller listens and closes. Closing ends idle connections at once and lets requests in progress end. */
export function createApi(deps: ApiDeps): FastifyInstance {
  const { workspaces, history, feed, log, metrics, version, corsOrigins = [] } = deps
  const app = fastify({
    logger: false,
    genReqId: createRequestIds(),
    requestTimeout: timeouts.requestMs,
    keepAliveTimeout: timeouts.keepAliveMs,
    forceCloseConnections: 'idle',
    // Fastify's own 503 would not be in our envelope; a request that still got in is served.
    return503OnClosing: false,
    bodyLimit: limits.bodyBytes,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: limits.headerBytes },
    http: {
      maxHeaderSize: limits.headerBytes,
      headersTimeout: timeouts.headersMs,
      connectionsCheckingInterval: timeouts.checkMs,
      // Node would answer a missing Host without our envelope; nothing here depends on it.
      requireHostHeader: false,
    },
    clientErrorHandler: answerClientError,
    frameworkErrors: (error, _request, reply) => sendError(reply, error, log),
  })
  app.server.maxConnections = maxConnections
  // RFC 9110, 10.1.1 lets a server ignore an expectation it does not know; Node would answer without our envelope.
  app.server.on('checkExpectation', (request, response) => app.server.emit('request', request, response))

  // Node would close the connection without a word.
  app.server.on('connect', (_request, socket) => answerConnect(socket))

  // Handlers read bodies themselves, after authentication; see body.ts.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, _payload, done) => done(null))

  addHeaders(app)
  allowOrigins(app, corsOrigins)
  observe(app, metrics, log)
  app.setErrorHandler((error, _request, reply) => sendError(reply, error, log))
  app.setNotFoundHandler(answerUnmatched)
  const handlers = {
    ...createServerInfoHandlers({ version, metrics }),
    ...createWorkspaceHandlers(workspaces),
    ...createLifecycleHandlers(workspaces),
    ...createHistoryHandlers(history, feed),
  }
  bindOperations(app, handlers, deps)
  return app
}

/** Names requests: a client's own id is taken over when it is harmless in logs and headers, else a new one of this process is counted up. */
function createRequestIds(): (request: { readonly headers: IncomingHttpHeaders }) => string {
  const prefix = newId('req')
  let count = 0
  return ({ headers }) => {
    const given = headers['x-request-id']
    if (typeof given === 'string' && /^[A-Za-z0-9][A-Za-z0-9._-]{7,63}$/.test(given)) return given
    count++
    return `${prefix}-${count.toString(36)}`
  }
}

function addHeaders(app: FastifyInstance): void {
  app.addHook('onRequest', (request, reply, done) => {
    reply.header('x-request-id', request.id).header('cache-control', 'no-store').header('x-content-type-options', 'nosniff')
    done()
  })
}

function observe(app: FastifyInstance, metrics: Registry, log: Logger): void {
  const count = createRequestMetrics(metrics)
  app.addHook('onResponse', (request, reply, done) => {
    const operation = request.routeOptions.config?.operation ?? 'none'
    count(operation, reply.statusCode, reply.elapsedTime)
    if (log.isLevelEnabled('debug')) {
      log.debug({ requestId: request.id, operation, method: request.method, status: reply.statusCode, ms: Math.round(reply.elapsedTime) }, 'request')
    }
    done()
  })
}
