/** What the contract server answers with where nothing was asked for. */
import type { LifecycleAnswer, RestartInfo, Stats, Workspace, WorkspaceDetails } from '@alcove/contract'

/** What a workspace has beside its object. */
export interface Held {
  life: Pick<LifecycleAnswer, 'restart_policy' | 'max_restarts' | 'ttl' | 'ttl_action' | 'remove_on_exit' | 'idle'>
  restarts: RestartInfo | null
  metadata: Record<string, string>
}

/** Moves a workspace to a status, with all the fields that follow from it. */
export function setStatus(workspace: Workspace, status: Workspace['status']): void {
  const ready = status === 'running'
  Object.assign(workspace, { status, ready, info: { ...workspace.info, status, ready, is_running: ready, user_requested_stop: status === 'stopped' } })
}

/** A workspace that runs. */
export const sampleWorkspace = (id: string): Workspace => ({
  id,
  name: 'my-app',
  namespace: 'production',
  mode: 'permanent',
  image: 'node-20',
  ip: '10.0.0.15',
  generation: 1,
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

/** What such a workspace has beside its object. */
export const sampleHeld = (): Held => ({
  life: { restart_policy: 'always', max_restarts: 5, ttl: null, ttl_action: 'stop', remove_on_exit: false, idle: null },
  restarts: null,
  metadata: {},
})

/** When a time to live is over, whatever its length: this server has no clock. */
export const sampleExpiry = '2026-02-24T11:30:00Z'

export const sampleStats: Stats = {
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

export const sampleDetails = (workspace: Workspace): WorkspaceDetails => ({
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

export const sampleImage = {
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
export const sampleQuota = {
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
