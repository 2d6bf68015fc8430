/** The calls about workspaces, one method each. */
import type { Caller, CallOptions, ChangeOptions, CreateOptions } from './caller.ts'
import { createLifecycle, type Lifecycle } from './lifecycle.ts'
import { createMetadata, type Metadata } from './metadata.ts'
import { path, renderQuery } from './path.ts'
import { createResources, type Resources } from './resources.ts'
import type {
  CreateWorkspaceRequest,
  DetailsAnswer,
  EstimateAnswer,
  EstimateQuery,
  EventsAnswer,
  HistoryQuery,
  ImagesAnswer,
  ImagesQuery,
  ListAnswer,
  ListQuery,
  LogsQuery,
  Operation,
  OperationsAnswer,
  PingAnswer,
  PingRequest,
  Quota,
  StartRequest,
  Stats,
  UpdateWorkspaceRequest,
  Workspace,
  WorkspaceEvent,
} from './types.gen.ts'
import { type WaitOptions, waitUntilReady } from './wait.ts'

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
  update(id: string, request: UpdateWorkspaceRequest, options?: ChangeOptions): Promise<Workspace>
  /** Deletes a workspace with all its data. */
  delete(id: string, options?: ChangeOptions): Promise<void>
  /** Starts the VM. */
  start(id: string, request?: StartRequest, options?: ChangeOptions): Promise<Workspace>
  /** Stops the VM; the disk is kept. */
  stop(id: string, options?: ChangeOptions): Promise<Workspace>
  /** Stops and starts the VM. */
  restart(id: string, options?: ChangeOptions): Promise<Workspace>
  /** Freezes the VM; its memory is kept. */
  pause(id: string, options?: ChangeOptions): Promise<Workspace>
  /** Lets a paused VM go on. */
  resume(id: string, options?: ChangeOptions): Promise<Workspace>
  /** Does a first boot that failed again. */
  retryCreation(id: string, options?: ChangeOptions): Promise<Workspace>
  /** Begins the time to live anew, with another length if one is given. */
  ping(id: string, request?: PingRequest, options?: ChangeOptions): Promise<PingAnswer>
  /** Mode, time to live and idle policy. */
  readonly lifecycle: Lifecycle
  /** CPUs, memory and disk. */
  readonly resources: Resources
  /** Text by key, for the owner of the workspace. */
  readonly metadata: Metadata
  /** Gets one page of what was done with a workspace, newest first; also of a deleted one. */
  operations(id: string, query?: HistoryQuery, options?: CallOptions): Promise<OperationsAnswer>
  /** Yields everything that was done with a workspace, newest first, page by page. */
  allOperations(id: string, query?: HistoryQuery, options?: CallOptions): AsyncGenerator<Operation, void, undefined>
  /** Gets one page of what happened to a workspace, oldest first; also to a deleted one. */
  events(id: string, query?: HistoryQuery, options?: CallOptions): Promise<EventsAnswer>
  /** Yields everything that happened to a workspace, oldest first, page by page. */
  allEvents(id: string, query?: HistoryQuery, options?: CallOptions): AsyncGenerator<WorkspaceEvent, void, undefined>
  /** Gets the last lines of a log, as text. */
  logs(id: string, query?: LogsQuery, options?: CallOptions): Promise<string>
  /** Gets the live usage of the VM. */
  stats(id: string, options?: CallOptions): Promise<Stats>
  /** Gets plan, limits and usage of the account. */
  quota(options?: CallOptions): Promise<Quota>
  /** Estimates what a workspace of a size costs an hour. */
  estimate(query?: EstimateQuery, options?: CallOptions): Promise<EstimateAnswer>
  /** Gets the catalogue of images. */
  images(query?: ImagesQuery, options?: CallOptions): Promise<ImagesAnswer>
  /** Waits until a workspace runs and its agent answers. */
  waitUntilReady(id: string, options?: WaitOptions): Promise<Workspace>
}

const pageSize = 100

/** Makes the methods. */
export function createWorkspaces(caller: Caller): Workspaces {
  const { read, change } = caller
  const power = async (call: { path: string; body?: unknown }, options: ChangeOptions | undefined) =>
    (await change<{ workspace: Workspace }>({ method: 'POST', ...call, expect: 'workspace', isSlow: true }, options)).workspace

  const workspaces: Workspaces = {
    async create(request, options) {
      const key = options?.idempotencyKey ?? request.idempotency_key
      return power({ path: '/workspace', body: request }, { ...options, ...(key === undefined ? {} : { idempotencyKey: key }) })
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
      const call = { method: 'PUT', path: path`/workspace/${id}`, body: request, expect: 'workspace' } as const
      return (await change<{ workspace: Workspace }>(call, options)).workspace
    },
    async delete(id, options) {
      await change({ method: 'DELETE', path: path`/workspace/${id}`, expect: 'success', isSlow: true, doneIfLost: 404 }, options)
    },
    start: async (id, request, options) => power({ path: path`/workspace/${id}/start`, ...(request ? { body: request } : {}) }, options),
    stop: async (id, options) => power({ path: path`/workspace/${id}/stop` }, options),
    restart: async (id, options) => power({ path: path`/workspace/${id}/restart` }, options),
    pause: async (id, options) => power({ path: path`/workspace/${id}/pause` }, options),
    resume: async (id, options) => power({ path: path`/workspace/${id}/resume` }, options),
    retryCreation: async (id, options) => power({ path: path`/workspace/${id}/provisioning/retry` }, options),
    ping: async (id, request, options) =>
      change(
        { method: 'POST', path: path`/workspace/${id}/ping`, ...(request ? { body: request } : {}), expect: 'expires_at', isHarmlessTwice: true },
        options,
      ),
    lifecycle: createLifecycle(caller),
    resources: createResources(caller),
    metadata: createMetadata(caller),
    operations: async (id, query, options) => read(`${path`/workspace/${id}/operations`}${renderQuery(query ?? {})}`, 'operations', options),
    allOperations: (id, query, options) =>
      allPages(
        (page) => workspaces.operations(id, page, options),
        query,
        ({ operations }) => operations,
      ),
    events: async (id, query, options) => read(`${path`/workspace/${id}/events`}${renderQuery(query ?? {})}`, 'events', options),
    allEvents: (id, query, options) =>
      allPages(
        (page) => workspaces.events(id, page, options),
        query,
        ({ events }) => events,
      ),
    logs: async (id, query, options) => (await read<{ logs: string }>(`${path`/workspace/${id}/logs`}${renderQuery(query ?? {})}`, 'logs', options)).logs,
    stats: async (id, options) => (await read<{ stats: Stats }>(path`/workspace/${id}/stats`, 'stats', options)).stats,
    quota: (options) => read('/workspace/quota', 'limits', options),
    estimate: (query, options) => read(`/workspace/estimate${renderQuery(query ?? {})}`, 'estimate', options),
    images: (query, options) => read(`/workspace/images${renderQuery(query ?? {})}`, 'images', options),
    waitUntilReady: (id, options) => waitUntilReady((signal) => workspaces.get(id, { signal }), options ?? {}),
  }
  return workspaces
}

/** Yields the items of every page that follows `query`. */
async function* allPages<Page extends { next: string | null }, Item>(
  get: (query: HistoryQuery) => Promise<Page>,
  query: HistoryQuery | undefined,
  itemsOf: (page: Page) => readonly Item[],
): AsyncGenerator<Item, void, undefined> {
  for (let page: HistoryQuery | undefined = { limit: pageSize, ...query }; page; ) {
    const answer = await get(page)
    yield* itemsOf(answer)
    page = answer.next === null ? undefined : { ...page, after: answer.next }
  }
}
