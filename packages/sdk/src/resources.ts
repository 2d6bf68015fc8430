/** The calls about CPUs, memory and disk of a workspace. */
import type { Caller, CallOptions, ChangeOptions } from './caller.ts'
import { path } from './path.ts'
import type { ResourcesAnswer, ResourcesChangedAnswer, ResourcesRequest } from './types.gen.ts'

/** What a workspace is given. */
export interface Resources {
  /** Gets CPUs, memory and disk. */
  get(id: string, options?: CallOptions): Promise<ResourcesAnswer>
  /** Changes CPUs, memory or disk: with `apply`, a running VM is restarted with them at once, else they wait for the next start. */
  update(id: string, request: ResourcesRequest, options?: ChangeOptions): Promise<ResourcesChangedAnswer>
}

/** Makes the methods. */
export function createResources({ read, change }: Caller): Resources {
  return {
    get: async (id, options) => read(path`/workspace/${id}/resources`, 'resources', options),
    update: async (id, request, options) =>
      change({ method: 'PUT', path: path`/workspace/${id}/resources`, body: request, expect: 'updated', isSlow: request.apply === true }, options),
  }
}
