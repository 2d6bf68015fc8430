/** What each operation of the contract does in the contract server. A new operation does not compile until it is here. */
import type { ErrorCode, OperationName, OperationVerb, Workspace } from '@alcove/contract'
import type { ContractHistory } from './contract-history.ts'
import { lifecycleHandlers } from './contract-lifecycle.ts'
import { type Held, sampleDetails, sampleImage, sampleQuota, sampleStats } from './contract-samples.ts'

/** What handlers work on. */
export interface ContractState {
  readonly workspaces: Map<string, Workspace>
  readonly logs: Map<string, string>
  readonly history: ContractHistory
  createdStatus: 'running' | 'creating'
  onLook: (workspace: Workspace) => void
  held(id: string): Held
  addWorkspace(fields?: Partial<Workspace>): Workspace
}

/** A request whose parameters, query and body are as the contract says. */
export interface Checked {
  readonly params: Readonly<Record<string, string>>
  // biome-ignore lint/suspicious/noExplicitAny: checked against the schema of the operation just before
  readonly query: any
  // biome-ignore lint/suspicious/noExplicitAny: checked against the schema of the operation just before
  readonly body: any
}

/** A failure the server answers with. */
export class Refusal extends Error {
  readonly code: ErrorCode
  readonly details: Record<string, unknown> | undefined

  constructor(code: ErrorCode, message: string, details?: Record<string, unknown>) {
    super(message)
    this.code = code
    this.details = details
  }
}

/** Operations that answer with JSON of their own. */
export type Handled = Exclude<OperationName, 'health' | 'openapi' | 'metrics' | 'streamEvents'>
export type Handler = (request: Checked) => Record<string, unknown>

/** Makes the handlers; each answers with what stands beside `success`. */
export function createHandlers(state: ContractState): Readonly<Record<Handled, Handler>> {
  return { ...workspaceHandlers(state), ...lifecycleHandlers(state), ...historyHandlers(state) }
}

/** The workspace of a request. @throws Refusal when there is none. */
export function findWorkspace(state: ContractState, { params }: Checked): Workspace {
  const id = params.workspaceId ?? ''
  const workspace = state.workspaces.get(id)
  if (!workspace) throw new Refusal('not_found', `no workspace ${id}; list them with GET /workspace`)
  return workspace
}

/** Writes down that settings of a workspace were changed. */
export function recordSettings({ history }: ContractState, verb: OperationVerb, { id }: Workspace): void {
  history.record(verb, { workspace_id: id, type: 'updated', from: null, to: null })
}

type WorkspaceOperation =
  | 'createWorkspace'
  | 'listWorkspaces'
  | 'getQuota'
  | 'listImages'
  | 'getWorkspace'
  | 'getWorkspaceDetails'
  | 'updateWorkspace'
  | 'getWorkspaceLogs'
  | 'getWorkspaceStats'
  | 'estimateWorkspace'

function workspaceHandlers(state: ContractState): Record<WorkspaceOperation, Handler> {
  return {
    createWorkspace({ body }) {
      const { image, name = 'calm-otter', namespace = null, mode = 'temporary' } = body
      const workspace = state.addWorkspace({ image, name, namespace, mode, status: state.createdStatus })
      return { workspace }
    },
    listWorkspaces({ query }) {
      const { page = 1, limit: asked = 20, mode } = query
      const limit = Math.min(asked, 100)
      const all = [...state.workspaces.values()].reverse().filter((workspace) => mode === undefined || workspace.mode === mode)
      return { workspaces: all.slice((page - 1) * limit, page * limit), total: all.length, page, limit }
    },
    getQuota: () => sampleQuota,
    listImages: () => ({ images: [sampleImage], categories: [{ id: 'runtime', label: 'Runtimes' }] }),
    getWorkspace(request) {
      const workspace = findWorkspace(state, request)
      state.onLook(workspace)
      return { workspace }
    },
    getWorkspaceDetails: (request) => ({ workspace: sampleDetails(findWorkspace(state, request)) }),
    updateWorkspace(request) {
      const workspace = findWorkspace(state, request)
      if (request.body.name !== undefined) workspace.name = request.body.name
      recordSettings(state, 'update', workspace)
      return { workspace, restart_required: false }
    },
    getWorkspaceLogs(request) {
      const lines = (state.logs.get(findWorkspace(state, request).id) ?? '').split(/(?<=\n)/)
      return { logs: lines.slice(-(request.query.tail_lines ?? 100)).join(''), source: request.query.source ?? 'cmd' }
    },
    getWorkspaceStats(request) {
      findWorkspace(state, request)
      return { stats: sampleStats }
    },
    estimateWorkspace({ query }) {
      const { cpu = 1, ram_mb = 512, disk_mb = 512 } = query
      const avg = cpu * 0.01 + ram_mb / 102_400 + disk_mb / 1_024_000
      return { estimate: { min: avg / 2, avg, max: avg * 2 }, period: 'hour', currency: 'EUR' }
    },
  }
}

function historyHandlers({ history }: ContractState): Record<'getOperation' | 'listOperations' | 'listEvents', Handler> {
  return {
    getOperation({ params }) {
      const operation = history.operations.find(({ id }) => id === params.operationId)
      if (!operation) throw new Refusal('not_found', `no operation ${params.operationId}`)
      return { operation }
    },
    listOperations(request) {
      const { page, next } = pageOf(history.operations.toReversed(), request)
      return { operations: page, next }
    },
    listEvents(request) {
      const { page, next } = pageOf(history.events, request)
      return { events: page, next }
    },
  }
}

/** One page of what follows `after`; also of a workspace that is gone. */
function pageOf<Item extends { id: string; workspace_id: string }>(items: readonly Item[], { params, query }: Checked) {
  const all = items.filter(({ workspace_id: id }) => id === params.workspaceId)
  if (all.length === 0) throw new Refusal('not_found', `no workspace ${params.workspaceId}`)
  const begin = query.after === undefined ? 0 : all.findIndex(({ id }) => id === query.after) + 1
  const page = all.slice(begin, begin + Math.min(query.limit ?? 50, 100))
  return { page, next: begin + page.length < all.length ? (page.at(-1)?.id ?? null) : null }
}
