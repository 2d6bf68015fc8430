/** The calls about the life of a workspace: mode, time to live, idle policy. */
import type { Caller, CallOptions, ChangeOptions } from './caller.ts'
import { path } from './path.ts'
import type { IdlePolicy, IdleRequest, LifecycleAnswer, PermanentRequest, TemporaryRequest, TtlRequest, Workspace } from './types.gen.ts'

/** How long a workspace lives, and what starts it again. */
export interface Lifecycle {
  /** Gets mode, time to live and restarts. */
  get(id: string, options?: CallOptions): Promise<LifecycleAnswer>
  /** Lets the workspace live until it is deleted. */
  makePermanent(id: string, request?: PermanentRequest, options?: ChangeOptions): Promise<Workspace>
  /** Lets the workspace live for a time. */
  makeTemporary(id: string, request?: TemporaryRequest, options?: ChangeOptions): Promise<Workspace>
  /** Changes the time to live and begins it anew; `ttl: null` takes it away. */
  setTtl(id: string, request: TtlRequest, options?: ChangeOptions): Promise<Workspace>
  /** Stores when the workspace is to sleep for want of activity; null is never. */
  setIdle(id: string, policy: IdleRequest | null, options?: ChangeOptions): Promise<IdlePolicy | null>
  /** Deletes the workspace with all its data. */
  destroy(id: string, options?: ChangeOptions): Promise<void>
}

/** Makes the methods. */
export function createLifecycle({ read, change }: Caller): Lifecycle {
  const settle = async (method: 'POST' | 'PUT', pathOfIt: string, body: unknown, options: ChangeOptions | undefined) =>
    (await change<{ workspace: Workspace }>({ method, path: pathOfIt, body, expect: 'workspace' }, options)).workspace
  return {
    get: async (id, options) => read(path`/workspace/${id}/lifecycle`, 'mode', options),
    makePermanent: async (id, request, options) => settle('POST', path`/workspace/${id}/lifecycle/permanent`, request ?? {}, options),
    makeTemporary: async (id, request, options) => settle('POST', path`/workspace/${id}/lifecycle/temporary`, request ?? {}, options),
    setTtl: async (id, request, options) => settle('PUT', path`/workspace/${id}/lifecycle/ttl`, request, options),
    async setIdle(id, policy, options) {
      const call = { method: 'PUT', path: path`/workspace/${id}/lifecycle/idle`, body: policy ?? { suspend_after: 0 }, expect: 'idle' } as const
      return (await change<{ idle: IdlePolicy | null }>(call, options)).idle
    },
    async destroy(id, options) {
      await change({ method: 'DELETE', path: path`/workspace/${id}/lifecycle`, expect: 'success', isSlow: true, doneIfLost: 404 }, options)
    },
  }
}
