/** Which refusals are denials, and what of a request is recorded with one. */
import { errors } from '@alcove/contract'
import type { FastifyRequest } from 'fastify'
import { AlcoveError } from '../lib/fail.ts'
import type { Denials } from '../tenancy/denials.ts'

/** Refused for who the caller is or may have, not for how the request is written. */
const kinds: ReadonlySet<string> = new Set(['unauthenticated', 'payment', 'forbidden', 'not_found', 'precondition'])

/** Records a refusal if it is a denial. Never rejects. */
export async function recordDenial(denials: Denials, request: FastifyRequest, action: string, error: unknown): Promise<void> {
  if (!(error instanceof AlcoveError) || !kinds.has(errors[error.code].kind)) return
  const { workspaceId } = (request.params ?? {}) as { readonly workspaceId?: string }
  await denials.record({
    accountId: request.principal?.accountId ?? null,
    actor: request.principal?.keyId ?? 'anonymous',
    action,
    // Text of an unknown caller: bounded, and nothing that a terminal would obey.
    target: workspaceId === undefined ? null : workspaceId.slice(0, 128).replaceAll(/[^ -~]/g, '?'),
    code: error.code,
    requestId: request.id,
  })
}
