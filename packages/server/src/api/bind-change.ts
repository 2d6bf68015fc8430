/** The route of an operation that changes something: body, precondition and idempotency key are read, then it is done once. */
import { type Operation, type OperationName, takesGeneration } from '@alcove/contract'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { newId } from '../lib/ids.ts'
import type { Execution } from '../workspace/exactly-once.ts'
import { addGeneration, type BindDependencies } from './bind.ts'
import { readJson } from './body.ts'
import { callOf } from './call.ts'
import { recordDenial } from './denial.ts'
import type { ChangeCall } from './handlers.ts'
import { hashRequest, parseIdempotencyKey } from './idempotency.ts'
import { parseIfMatch } from './if-match.ts'

/** Makes the handler of the route. */
export function changeRoute(name: OperationName, operation: Operation, handler: (call: ChangeCall) => Promise<unknown>, deps: BindDependencies) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    try {
      const { status, body, operationId, isReplay } = await answer(request, reply)
      if (isReplay) reply.header('idempotent-replayed', 'true')
      if (!reply.hasHeader('x-operation-id')) reply.header('x-operation-id', operationId)
      addGeneration(reply, body)
      reply.code(status)
      return body
    } catch (error) {
      await recordDenial(deps.denials, request, name, error)
      throw error
    }
  }

  async function answer(request: FastifyRequest, reply: FastifyReply) {
    const call = callOf(request)
    const { accountId, keyId, plan } = call.principal
    const body = operation.body ? await readJson(request.raw) : {}
    const generations = takesGeneration(operation) ? parseIfMatch(call.header('if-match')) : undefined
    const execute = async ({ operationId, doneWith }: Execution) => {
      reply.header('x-operation-id', operationId)
      const acted = (actual: string) => void reply.header('x-operation-id', actual)
      const requester = { accountId, actor: keyId, plan, cause: 'request', operationId, requestId: request.id, generations, doneWith } as const
      return { status: operation.status, body: await handler({ ...call, requester, body, acted }) }
    }
    const key = parseIdempotencyKey(request.headers['idempotency-key'], name === 'createWorkspace' ? body : undefined)
    if (key === undefined) {
      const operationId = newId('op')
      return { ...(await execute({ operationId })), operationId, isReplay: false }
    }
    const requestHash = hashRequest(request.params, generations, body)
    return deps.exactlyOnce.run({ accountId, operation: name, key, requestHash }, execute)
  }
}
