/** The calls about workspaces, one method each. */
import { path, renderQuery } from './path.ts'
import type { Call, Transport } from './transport.ts'
import type {
  CreateWorkspaceRequest,
  DetailsAnswer,
  ImagesAnswer,
  ImagesQuery,
  ListAnswer,
  ListQuery,
  LogsQuery,
  Quota,
  StartRequest,
  Stats,
  UpdateWorkspaceRequest,
  Workspace,
} from './types.gen.ts'
import { type WaitOptions, waitUntilReady } from './wait.ts'

/** Options of every call. */
export interface CallOptions {
  /** Ends the call; it then rejects with the signal's reason. What the server began, it finishes. */
  readonly signal?: AbortSignal
  /** Longest time of this call with all its retries, ms. */
  readonly timeoutMs?: number
}

/** Options of a create. */
export interface CreateOptions extends CallOptions {
  /** Two creates with the same key and body make one workspace; random when absent. At most 255 characters. */
  readonly idempotencyKey?: string
}

/** The workspaces of an account. Every method rejects with an `AlcoveError`, or with the reason of the signal it was given. */
export interface Workspaces {
  /**
   * Creates a workspace and boots it. Sent again, if the connection breaks, under the same idempotency key.
   * @returns The workspace: running, or still `creating` when the server's time for one answer was over (see `waitUntilReady`).
   */
  create(request: CreateWorkspaceRequest, options?: CreateOptions): Promise<Workspace>
  /** Gets one page of the list, newest first. */
  list(query?: ListQuery, options?: CallOptions): Promise<ListAnswer>
  /** Yields every workspace, newest first, page by page; none twice, though one may be missed when others are deleted meanwhile. */
  listAll(query?: Omit<ListQuery, 'page'>, options?: CallOptions): AsyncGenerator<Workspace, void, undefined>
  /** Gets a workspace. */
  get(id: string, options?: CallOptions): Promise<Workspace>
  /** Gets a workspace with token, stats, ssh, api_access, lifecycle and config, under `workspace`. */
  details(id: string, options?: CallOptions): Promise<DetailsAnswer>
  /** Changes name or config; `info.restart_required` of the answer says whether something waits for the next start. */
  update(id: string, request: UpdateWorkspaceRequest, options?: CallOptions): Promise<Workspace>
  /** Deletes a workspace with all its data. */
  delete(id: string, options?: CallOptions): Promise<void>
  /** Starts the VM. */
  start(id: string, request?: StartRequest, options?: CallOptions): Promise<Workspace>
  /** Stops the VM; the disk is kept. */
  stop(id: string, options?: CallOptions): Promise<Workspace>
  /** Stops and starts the VM. Not sent again when the connection breaks: it could restart twice. */
  restart(id: string, options?: CallOptions): Promise<Workspace>
  /** Gets the last lines of a log, as text. */
  logs(id: string, query?: LogsQuery, options?: CallOptions): Promise<string>
  /** Gets the live usage of the VM. */
  stats(id: string, options?: CallOptions): Promise<Stats>
  /** Gets plan, limits and usage of the account. */
  quota(options?: CallOptions): Promise<Quota>
  /** Gets the catalogue of images. */
  images(query?: ImagesQuery, options?: CallOptions): Promise<ImagesAnswer>
  /** Waits until a workspace runs and its agent answers. */
  waitUntilReady(id: string, options?: WaitOptions): Promise<Workspace>
}

/** Longest time of a call that boots or ends a VM, and of any other, ms. */
const bootTimeoutMs = 600_000
const plainTimeoutMs = 60_000
const pageSize = 100

/** Makes the methods over a transport. */
export function createWorkspaces({ transport }: { readonly transport: Transport }): Workspaces {
  const send = async <T>(call: Omit<Call, 'signal' | 'timeoutMs'>, options: CallOptions | undefined): Promise<T> =>
    // The envelope was checked, and that the expected key is there; the fields below are the server's word.
    (await transport.send({ ...call, signal: options?.signal, timeoutMs: options?.timeoutMs })) as T
  const read = <T>(pathAndQuery: string, expect: string, options: CallOptions | undefined) =>
    send<T>({ method: 'GET', path: pathAndQuery, repeat: 'safe', expect, defaultTimeoutMs: plainTimeoutMs }, options)
  const power = async (verb: { path: string; repeat: Call['repeat']; body?: unknown }, options: CallOptions | undefined) =>
    (await send<{ workspace: Workspace }>({ method: 'POST', ...verb, expect: 'workspace', defaultTimeoutMs: bootTimeoutMs }, options)).workspace

  const workspaces: Workspaces = {
    async create(request, options) {
      const key = options?.idempotencyKey ?? request.idempotency_key ?? newKey()
      const headers = { 'Idempotency-Key': key }
      const call = {
        method: 'POST',
        path: '/workspace',
        body: request,
        headers,
        repeat: 'keyed',
        expect: 'workspace',
        defaultTimeoutMs: bootTimeoutMs,
      } as const
      return (await send<{ workspace: Workspace }>(call, options)).workspace
    },
    list: (query, options) => read(`/workspace${renderQuery(query ?? {})}`, 'workspaces', options),
    async *listAll(query, options) {
      const seen = new Set<string>()
      const limit = query?.limit ?? pageSize
      for (let page = 1; ; page++) {
        const answer = await workspaces.list({ ...query, limit, page }, options)
        for (const workspace of answer.workspaces) {
          // A workspace created meanwhile pushes one already seen on to the next page.
          if (!seen.has(workspace.id)) yield workspace
          seen.add(workspace.id)
        }
        if (answer.workspaces.length === 0 || page * answer.limit >= answer.total) return
      }
    },
    get: async (id, options) => (await read<{ workspace: Workspace }>(path`/workspace/${id}`, 'workspace', options)).workspace,
    details: async (id, options) => read(path`/workspace/${id}/details`, 'workspace', options),
    async update(id, request, options) {
      const call = {
        method: 'PUT',
        path: path`/workspace/${id}`,
        body: request,
        repeat: 'safe',
        expect: 'workspace',
        defaultTimeoutMs: plainTimeoutMs,
      } as const
      return (await send<{ workspace: Workspace }>(call, options)).workspace
    },
    async delete(id, options) {
      const call = { method: 'DELETE', path: path`/workspace/${id}`, repeat: 'safe', expect: 'success', defaultTimeoutMs: bootTimeoutMs } as const
      await send({ ...call, doneIfLost: 404 }, options)
    },
    start: async (id, request, options) =>
      // A forced start ends a VM that runs, so a second one would end what the first began.
      power({ path: path`/workspace/${id}/start`, repeat: request?.force ? 'once' : 'safe', ...(request ? { body: request } : {}) }, options),
    stop: async (id, options) => power({ path: path`/workspace/${id}/stop`, repeat: 'safe' }, options),
    restart: async (id, options) => power({ path: path`/workspace/${id}/restart`, repeat: 'once' }, options),
    logs: async (id, query, options) => (await read<{ logs: string }>(`${path`/workspace/${id}/logs`}${renderQuery(query ?? {})}`, 'logs', options)).logs,
    stats: async (id, options) => (await read<{ stats: Stats }>(path`/workspace/${id}/stats`, 'stats', options)).stats,
    quota: (options) => read('/workspace/quota', 'limits', options),
    images: (query, options) => read(`/workspace/images${renderQuery(query ?? {})}`, 'images', options),
    waitUntilReady: (id, options) => waitUntilReady((signal) => workspaces.get(id, { signal }), options ?? {}),
  }
  return workspaces
}

/** 128 random bits; `randomUUID` is missing in browsers on pages without TLS. */
function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return `sdk_${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`
}
