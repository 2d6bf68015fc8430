/**
 * A small HTTP server that answers as the contract says and fails on demand: what the tests of SDK and CLI talk to.
 * Every answer it makes is checked against the schema of its operation, so that it cannot drift from the contract.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { CreateBody, type ErrorCode, httpStatus, type OperationName, operations, UpdateBody, type Workspace, type WorkspaceDetails } from '@alcove/contract'
import Value from 'typebox/value'

/** What is to happen to a request instead of, or after, its handling. */
export type Fault =
  | { readonly kind: 'drop-before' | 'drop-after' | 'hang' }
  | { readonly kind: 'answer'; readonly status: number; readonly body: string; readonly headers?: Record<string, string> }

/** A request as it came. */
export interface SeenRequest {
  readonly method: string
  readonly path: string
  readonly query: Record<string, string>
  readonly headers: IncomingMessage['headers']
  readonly body: unknown
}

/** The running server. */
export interface ContractServer {
  readonly url: string
  readonly requests: SeenRequest[]
  readonly workspaces: Map<string, Workspace>
  /** Text of the log of each workspace. */
  readonly logs: Map<string, string>
  /** Faults by `METHOD /path`, taken from the front; `*` matches any request. */
  failNext(route: string, ...faults: Fault[]): void
  /** Called before each answer to `GET /workspace/:id`: lets a test move a workspace on. */
  onLook: (workspace: Workspace) => void
  /** Status of a created workspace. */
  createdStatus: 'running' | 'creating'
  /** Resolves when `count` requests have come. */
  seen(count: number): Promise<void>
  addWorkspace(fields?: Partial<Workspace>): Workspace
  close(): Promise<void>
}

export const clientId = 'key_test'
export const clientSecret = 'secret_test'

class Refusal extends Error {
  readonly code: ErrorCode
  readonly details: Record<string, unknown> | undefined

  constructor(code: ErrorCode, message: string, details?: Record<string, unknown>) {
    super(message)
    this.code = code
    this.details = details
  }
}

/** Starts the server on a free port of the loopback address. */
export async function startContractServer(): Promise<ContractServer> {
  const faults = new Map<string, Fault[]>()
  const keys = new Map<string, Workspace>()
  const waiters: { count: number; resolve: () => void }[] = []
  let made = 0
  const http = createServer((request, response) => void serve(request, response))
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const server: ContractServer = {
    url: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    requests: [],
    workspaces: new Map(),
    logs: new Map(),
    createdStatus: 'running',
    onLook() {},
    failNext: (route, ...more) => void faults.set(route, [...(faults.get(route) ?? []), ...more]),
    seen: (count) => new Promise((resolve) => (server.requests.length >= count ? resolve() : waiters.push({ count, resolve }))),
    addWorkspace(fields = {}) {
      made++
      const workspace = { ...sampleWorkspace(`ws_${String(made).padStart(12, 'a')}`), ...fields }
      server.workspaces.set(workspace.id, workspace)
      return workspace
    },
    close: () =>
      new Promise((resolve) => {
        http.close(() => resolve())
        http.closeAllConnections()
      }),
  }
  return server

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://server')
    let text = ''
    for await (const chunk of request) text += chunk
    const seen = {
      method: request.method ?? '',
      path: url.pathname,
      query: Object.fromEntries(url.searchParams),
      headers: request.headers,
      body: text === '' ? undefined : JSON.parse(text),
    }
    server.requests.push(seen)
    for (const waiter of waiters) if (server.requests.length >= waiter.count) waiter.resolve()
    const fault = faults.get(`${seen.method} ${seen.path}`)?.shift() ?? faults.get('*')?.shift()
    if (fault?.kind === 'hang') return
    if (fault?.kind === 'drop-before') return void request.socket.destroy()
    if (fault?.kind === 'answer') return void response.writeHead(fault.status, fault.headers).end(fault.body)
    const [status, body] = handle(seen)
    if (fault?.kind === 'drop-after') return void request.socket.destroy()
    response.writeHead(status, { 'content-type': 'application/json', 'x-request-id': 'req_header' }).end(JSON.stringify(body))
  }

  function handle(request: SeenRequest): [number, unknown] {
    try {
      if (request.headers['x-client-id'] !== clientId || request.headers['x-client-secret'] !== clientSecret) {
        throw new Refusal('MISSING_USER_ID', 'the key is unknown; make one with `alcove key create`')
      }
      const [name, answer] = route(request)
      const body = { success: true, ...answer }
      const { answer: schema, status } = operations[name]
      if (typeof schema !== 'string' && !Value.Check(schema, body)) throw new Error(`test server: answer of ${name} is against the contract`)
      return [status, body]
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      const { code, message, details } = error
      return [httpStatus(code), { success: false, error: code, code, message, ...(details ? { details } : {}), requestId: 'req_body' }]
    }
  }

  function route(request: SeenRequest): [OperationName, Record<string, unknown>] {
    const [, , id = '', verb = ''] = request.path.split('/').map(decodeURIComponent)
    if (request.path === '/workspace') return request.method === 'POST' ? create(request) : list(request)
    if (request.path === '/workspace/quota') return ['getQuota', sampleQuota]
    if (request.path === '/workspace/images') return ['listImages', { images: [sampleImage], categories: [{ id: 'runtime', label: 'Runtimes' }] }]
    return routeTo(request, id, verb)
  }

  function routeTo(request: SeenRequest, id: string, verb: string): [OperationName, Record<string, unknown>] {
    const workspace = server.workspaces.get(id)
    if (!workspace) throw new Refusal('not_found', `no workspace ${id}; list them with GET /workspace`)
    switch (`${request.method} ${verb}`) {
      case 'GET ':
        server.onLook(workspace)
        return ['getWorkspace', { workspace }]
      case 'GET details':
        return ['getWorkspaceDetails', { workspace: sampleDetails(workspace) }]
      case 'PUT ':
        if (!Value.Check(UpdateBody, request.body))
          throw new Refusal('INVALID_CONFIG', 'config.cpus must be 1 to 32', { field: 'config.cpus', allowed: '1 to 32' })
        Object.assign(workspace, 'name' in (request.body as object) ? { name: (request.body as { name: string }).name } : {})
        return ['updateWorkspace', { workspace, restart_required: false }]
      case 'DELETE ':
        server.workspaces.delete(id)
        return ['deleteWorkspace', { message: 'Workspace deleted' }]
      case 'POST start':
      case 'POST restart':
        setStatus(workspace, 'running')
        return [verb === 'start' ? 'startWorkspace' : 'restartWorkspace', { workspace }]
      case 'POST stop':
        setStatus(workspace, 'stopped')
        return ['stopWorkspace', { workspace }]
      case 'GET logs': {
        const lines = (server.logs.get(id) ?? '').split(/(?<=\n)/)
        return ['getWorkspaceLogs', { logs: lines.slice(-Number(request.query.tail_lines ?? 100)).join(''), source: request.query.source ?? 'cmd' }]
      }
      case 'GET stats':
        return ['getWorkspaceStats', { stats: sampleStats }]
      default:
        throw new Refusal('not_found', 'no such route')
    }
  }

  function create(request: SeenRequest): [OperationName, Record<string, unknown>] {
    const key = request.headers['idempotency-key']
    const known = typeof key === 'string' ? keys.get(key) : undefined
    if (known) return ['createWorkspace', { workspace: known }]
    if (!Value.Check(CreateBody, request.body)) throw new Refusal('INVALID_CONFIG', 'config is wrong', { field: 'config' })
    const body = request.body as CreateBody
    const workspace = server.addWorkspace({
      image: body.image,
      name: body.name ?? 'calm-otter',
      namespace: body.namespace ?? null,
      mode: body.mode ?? 'temporary',
    })
    setStatus(workspace, server.createdStatus)
    if (typeof key === 'string') keys.set(key, workspace)
    return ['createWorkspace', { workspace }]
  }

  function list({ query }: SeenRequest): [OperationName, Record<string, unknown>] {
    const page = Number(query.page ?? 1)
    const limit = Math.min(Number(query.limit ?? 20), 100)
    const all = [...server.workspaces.values()].reverse().filter((workspace) => query.mode === undefined || workspace.mode === query.mode)
    return ['listWorkspaces', { workspaces: all.slice((page - 1) * limit, page * limit), total: all.length, page, limit }]
  }
}

/** Moves a workspace to a status, with all the fields that follow from it. */
export function setStatus(workspace: Workspace, status: Workspace['status']): void {
  const ready = status === 'running'
  Object.assign(workspace, { status, ready, info: { ...workspace.info, status, ready, is_running: ready, user_requested_stop: status === 'stopped' } })
}

const sampleWorkspace = (id: string): Workspace => ({
  id,
  name: 'my-app',
  namespace: 'production',
  mode: 'permanent',
  image: 'node-20',
  ip: '10.0.0.15',
  uptime: 3725,
  start_time: '2026-02-24T10:30:00Z',
  status: 'running',
  ready: true,
  info: { status: 'running', is_running: true, user_requested_stop: false, ready: true },
  access: { ssh_enabled: false },
  network: { allow_internet: true, ingress_ports: [], egress_ports: [], egress: [], public_access: false, ingress: [] },
  public_ports: [],
  resources: { cpus: 2, memory_mb: 2048, disk_size_mb: 1024 },
  created_at: '2026-02-24T10:30:00Z',
  updated_at: '2026-02-24T10:30:00Z',
})

const sampleStats = {
  cpuUsage: 12.5,
  memoryUsage: 45.2,
  memoryUsedMB: 230,
  memoryTotalMB: 512,
  guestMemoryUsed: 241_172_480,
  guestMemoryTotal: 536_870_912,
  guestDiskUsedBytes: 1,
  guestDiskTotalBytes: 100,
  guestDiskUsedPct: 1,
  networkIn: '1.2 MB',
  networkOut: '0.5 MB',
  networkInBytes: 1_200_000,
  networkOutBytes: 500_000,
  uptime: 3600,
}

const sampleDetails = (workspace: Workspace): WorkspaceDetails => ({
  ...workspace,
  token: 'eyJhbGciOiJIUzI1NiJ9.e30.signature',
  stats: sampleStats,
  ssh: { ssh_enabled: false, ssh_id: 'abc123', connection: null },
  api_access: { terminal: false, preview: false },
  lifecycle: { mode: workspace.mode, restart_policy: 'always', max_restarts: 5, ttl: null, ttl_action: 'stop', remove_on_exit: false, uptime: 3600 },
  config: {
    cpus: 2,
    memory_mb: 2048,
    writable_size_mb: 1024,
    ttl_action: 'stop',
    remove_on_exit: false,
    restart_policy: 'always',
    max_restarts: 5,
    keep_logs: true,
    static_network: true,
    network_config: { allow_internet: true, public_ingress: false },
    ssh_access: false,
    env: [{ key: 'NODE_ENV', value: 'production' }],
    workloads: [],
    wait_for_init: false,
  },
  isolation: { accel: 'tcg', class: 'emulated', kernel: '6.1.0' },
})

const sampleImage = {
  id: 'node-20',
  image: 'alcove/node:20',
  label: 'Node.js 20',
  desc: 'Node.js on Debian',
  category: 'runtime',
  capabilities: ['node'],
  status: 'absent',
  size_mb: null,
}

const bounds = (min: number, max: number, byDefault: number) => ({ min, max, default: byDefault })
const sampleQuota = {
  plan: 'pro',
  planLabel: 'Pro',
  limits: { cpus: bounds(1, 8, 1), memory_mb: bounds(128, 4096, 512), writable_size_mb: bounds(64, 51_200, 512) },
  pool: { cpus: 16, memory_mb: 16_384, disk_mb: 51_200 },
  pool_usage: { cpus: 4, memory_mb: 4096, disk_mb: 2048 },
  running_pool: { cpus: 8, memory_mb: 8192, disk_mb: 25_600 },
  running_pool_usage: { cpus: 2, memory_mb: 2048, disk_mb: 1024 },
  maxSandboxes: 10,
  currentSandboxes: 3,
  canCreate: true,
  reason: null,
}
