/** The service as the API calls it: a request of a principal becomes an operation, once for each idempotency key. */
import type { Workspace } from '@alcove/contract'
import { newId } from '../../packages/server/src/lib/ids.ts'
import type { Principal } from '../../packages/server/src/tenancy/principal.ts'
import type { Requester } from '../../packages/server/src/workspace/caller.ts'
import type { ExactlyOnce, Execution } from '../../packages/server/src/workspace/exactly-once.ts'
import type { PowerVerb } from '../../packages/server/src/workspace/verbs.ts'
import type { CreateRequest, UpdateRequest, Workspaces } from '../../packages/server/src/workspace/workspaces.ts'

/** A key and what it was used with. */
export interface Key {
  readonly key: string
  readonly requestHash: string
}

/** The requester that a principal's next request has. */
export function asRequester({ accountId, keyId, plan }: Principal, more: Partial<Requester> = {}): Requester {
  return { accountId, actor: keyId, plan, cause: 'request', operationId: newId('op'), ...more }
}

/** Reads of the service as they are, changes as one request each. */
export function requests(service: Workspaces, exactlyOnce: ExactlyOnce) {
  const verb =
    (name: PowerVerb) =>
    async (principal: Principal, id: string, more: Partial<Requester> = {}): Promise<Workspace> =>
      (await service.perform(asRequester(principal, more), id, name)).workspace

  async function create(principal: Principal, request: CreateRequest, key?: Key): Promise<Workspace> {
    const execute = async (execution?: Execution) => (await service.create(asRequester(principal, execution), request)).workspace
    if (!key) return execute()
    const { accountId } = principal
    const answer = await exactlyOnce.run({ accountId, operation: 'createWorkspace', ...key }, async (execution) => ({
      status: 201,
      body: await execute(execution),
    }))
    return answer.body as Workspace
  }

  return {
    list: service.list,
    get: service.get,
    details: service.details,
    logs: service.logs,
    stats: service.stats,
    quota: service.quota,
    images: service.images,
    lifecycle: service.lifecycle,
    resources: service.resources,
    metadata: service.metadata,
    create,
    start: (principal: Principal, id: string, { force = false } = {}) => verb(force ? 'restart' : 'start')(principal, id),
    stop: verb('stop'),
    restart: verb('restart'),
    pause: verb('pause'),
    resume: verb('resume'),
    retry: verb('retry'),
    update: (principal: Principal, id: string, request: UpdateRequest) => service.update(asRequester(principal), id, request),
    remove: async (principal: Principal, id: string): Promise<void> => void (await service.remove(asRequester(principal), id)),
  }
}

/** What {@link requests} makes. */
export type Requests = ReturnType<typeof requests>
