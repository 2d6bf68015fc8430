/** A control plane in memory, for tests of the HTTP layer alone: it keeps what it was given and runs nothing. */
import type { Config, Workspace, WorkspaceDetails } from '@alcove/contract'
import { fail } from '../../packages/server/src/lib/fail.ts'
import { newId } from '../../packages/server/src/lib/ids.ts'
import type { Principal } from '../../packages/server/src/tenancy/principal.ts'
import type { ConfigPatch, CreateRequest, Idempotency, Workspaces } from '../../packages/server/src/workspace/workspaces.ts'

interface Row {
  readonly accountId: string
  readonly key: Idempotency | undefined
  readonly request: CreateRequest
  workspace: Workspace
  config: Config
}

const maxSandboxes = 20
const images = [
  { id: 'busybox', image: 'alcove/busybox', label: 'BusyBox', desc: 'Small tools', category: 'base', capabilities: [], status: 'ready' as const, size_mb: 2 },
]
const stats: WorkspaceDetails['stats'] = {
  cpuUsage: 1.5,
  memoryUsage: 10,
  memoryUsedMB: 12.5,
  memoryTotalMB: 128,
  guestMemoryUsed: 1,
  guestMemoryTotal: 2,
  guestDiskUsedBytes: 3,
  guestDiskTotalBytes: 4,
  guestDiskUsedPct: 75,
  networkIn: '0 B',
  networkOut: '0 B',
  networkInBytes: 0,
  networkOutBytes: 0,
  uptime: 1,
}

/** Makes an empty one. The last request of each kind can be read from `seen`. */
export function createMemoryWorkspaces(): Workspaces & { readonly seen: { create?: CreateRequest; idempotency?: Idempotency | undefined; update?: unknown } } {
  const rows = new Map<string, Row>()
  const seen: { create?: CreateRequest; idempotency?: Idempotency | undefined; update?: unknown } = {}

  const ofAccount = (principal: Principal) => [...rows.values()].filter((row) => row.accountId === principal.accountId).reverse()
  const find = (principal: Principal, id: string): Row => {
    const row = rows.get(id)
    return row?.accountId === principal.accountId ? row : fail('not_found', { message: `There is no workspace ${id}.` })
  }
  const setRunning = (row: Row, isRunning: boolean): Workspace => {
    const status = isRunning ? 'running' : 'stopped'
    row.workspace = { ...row.workspace, status, ready: isRunning, info: { ...row.workspace.info, status, is_running: isRunning, ready: isRunning } }
    return row.workspace
  }

  return {
    seen,
    async create(principal, request, idempotency) {
      seen.create = request
      seen.idempotency = idempotency
      const earlier = idempotency && ofAccount(principal).find((row) => row.key?.key === idempotency.key)
      if (earlier) return earlier.key?.requestHash === idempotency.requestHash ? earlier.workspace : fail('idempotency_mismatch')
      if (!images.some(({ id }) => id === request.image)) fail('INVALID_IMAGE', { details: { field: 'image' } })
      const current = ofAccount(principal).length
      if (current >= maxSandboxes) fail('SANDBOX_LIMIT_REACHED', { details: { current, max: maxSandboxes } })
      const config = fill(request.config)
      const workspace = newWorkspace(request, config)
      rows.set(workspace.id, { accountId: principal.accountId, key: idempotency, request, workspace, config })
      return workspace
    },
    async list(principal, { page, limit, mode, status, namespace }) {
      const all = ofAccount(principal)
        .map(({ workspace }) => workspace)
        .filter((one) => (!mode || one.mode === mode) && (!status || one.status === status) && (!namespace || one.namespace === namespace))
      return { workspaces: all.slice((page - 1) * limit, page * limit), total: all.length, page, limit }
    },
    get: async (principal, id) => find(principal, id).workspace,
    async details(principal, id) {
      const { workspace, config } = find(principal, id)
      return {
        ...workspace,
        token: 'token',
        stats,
        ssh: { ssh_enabled: false, ssh_id: id, connection: null },
        api_access: { terminal: false, preview: false },
        lifecycle: {
          mode: workspace.mode,
          restart_policy: config.restart_policy,
          max_restarts: config.max_restarts,
          ttl: config.ttl ?? null,
          ttl_action: config.ttl_action,
          remove_on_exit: config.remove_on_exit,
          uptime: 0,
        },
        config,
        isolation: { accel: 'tcg', class: 'emulated', kernel: '6.1' },
      }
    },
    async update(principal, id, request) {
      seen.update = request
      const row = find(principal, id)
      if (request.name !== undefined) row.workspace = { ...row.workspace, name: request.name }
      row.config = fill({ ...row.config, ...request.config, network_config: { ...row.config.network_config, ...request.config?.network_config } })
      return { workspace: row.workspace, restartRequired: request.config?.cpus !== undefined }
    },
    async remove(principal, id) {
      rows.delete(find(principal, id).workspace.id)
    },
    start: async (principal, id) => setRunning(find(principal, id), true),
    stop: async (principal, id) => setRunning(find(principal, id), false),
    restart: async (principal, id) => setRunning(find(principal, id), true),
    logs: async (principal, id, { source, tail_lines }) => `${find(principal, id).workspace.id} ${source} ${tail_lines}\n`,
    stats: async (principal, id) => (find(principal, id).workspace.status === 'running' ? stats : fail('vm_not_running')),
    async quota(principal) {
      const amounts = { cpus: 0, memory_mb: 0, disk_mb: 0 }
      const bounds = { min: 1, max: 8, default: 1 }
      return {
        plan: principal.plan,
        planLabel: 'Pro',
        limits: { cpus: bounds, memory_mb: bounds, writable_size_mb: bounds },
        pool: amounts,
        pool_usage: amounts,
        running_pool: amounts,
        running_pool_usage: amounts,
        maxSandboxes,
        currentSandboxes: ofAccount(principal).length,
        canCreate: true,
        reason: null,
      }
    },
    images: async () => ({ images, categories: [{ id: 'base', label: 'Base' }] }),
  }
}

function fill(patch: ConfigPatch): Config {
  return {
    cpus: 1,
    memory_mb: 512,
    writable_size_mb: 512,
    ttl_action: 'stop',
    remove_on_exit: false,
    restart_policy: 'no',
    max_restarts: 0,
    keep_logs: true,
    static_network: false,
    ssh_access: false,
    env: [],
    workloads: [],
    wait_for_init: false,
    ...patch,
    network_config: { allow_internet: true, public_ingress: false, ...patch.network_config },
  }
}

function newWorkspace({ name, namespace, mode, type, image }: CreateRequest, config: Config): Workspace {
  const id = newId('ws')
  const at = new Date(0).toISOString()
  return {
    id,
    name: name ?? id,
    namespace: namespace ?? null,
    mode: mode ?? 'temporary',
    ...(type === undefined ? {} : { type }),
    image,
    ip: '10.0.0.15',
    uptime: 1,
    start_time: at,
    status: 'running',
    ready: true,
    info: { status: 'running', is_running: true, user_requested_stop: false, ready: true },
    access: { ssh_enabled: false },
    network: { allow_internet: config.network_config.allow_internet, ingress_ports: [], egress_ports: [], egress: [], public_access: false, ingress: [] },
    public_ports: [],
    resources: { cpus: config.cpus, memory_mb: config.memory_mb, disk_size_mb: config.writable_size_mb },
    created_at: at,
    updated_at: at,
  }
}
