/** Handlers of what everybody may ask: health, the OpenAPI document, metrics. */
import { renderOpenApi } from '@alcove/contract'
import type { Registry } from 'prom-client'
import type { Handlers } from './handlers.ts'

/** What these handlers use. */
export interface ServerInfoDeps {
  readonly version: string
  readonly metrics: Registry
}

/** Makes the handlers of the public operations. */
export function createServerInfoHandlers({ version, metrics }: ServerInfoDeps): Handlers<'health' | 'openapi' | 'metrics'> {
  const document = { contentType: 'application/json; charset=utf-8', text: JSON.stringify(renderOpenApi(version)) }
  return {
    health: async () => ({ success: true, status: 'ok', version }),
    openapi: async () => document,
    metrics: async () => ({ contentType: metrics.contentType, text: await metrics.metrics() }),
  }
}
