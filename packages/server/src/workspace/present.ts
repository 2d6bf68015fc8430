/** From row to wire. Pure: what it shows is in the row and the slot, or follows from the clock. */
import type { Config, Stats, Workspace, WorkspaceDetails } from '@alcove/contract'
import type { HostInfo, VmReading } from '../runner/runner.ts'
import type { WorkspaceRow } from '../store/workspaces.ts'

/** Settings that a running VM takes from its boot; changing one waits for the next start. */
const bootSettings = ['cpus', 'memory_mb', 'writable_size_mb', 'env', 'cmd', 'workloads', 'static_network', 'keep_logs'] as const satisfies (keyof Config)[]

/** Whether a setting of the row differs from what the running VM was booted with. */
export function needsRestart(row: Pick<WorkspaceRow, 'status' | 'config' | 'booted_config'>): boolean {
  const booted = row.booted_config
  if (!booted || (row.status !== 'running' && row.status !== 'paused')) return false
  return bootSettings.some((key) => JSON.stringify(row.config[key]) !== JSON.stringify(booted[key]))
}

/** The workspace object of the API. `now` and the result's uptime are consistent; `ip` is that of the slot held, or empty. */
export function presentWorkspace(row: WorkspaceRow, ip: string, now: number): Workspace {
  const running = row.status === 'running'
  const restart = needsRestart(row)
  const ready = running && row.failure === null
  return {
    id: row.id,
    name: row.name,
    namespace: row.namespace,
    mode: row.mode,
    ...(row.type === null ? {} : { type: row.type }),
    image: row.image,
    ip,
    generation: row.generation,
    uptime: uptimeOf(row, now),
    start_time: row.started_at === null ? '' : iso(row.started_at),
    status: row.status,
    ready,
    ...(row.provisioning ? { provisioning: row.provisioning } : {}),
    info: {
      status: row.status,
      is_running: running,
      user_requested_stop: row.user_requested_stop,
      ready,
      ...(row.failure ? { failure: { code: row.failure.code, message: row.failure.message, at: iso(row.failure.at) } } : {}),
      ...(row.restart_at === null ? {} : { next_restart_at: iso(row.restart_at) }),
      ...(restart ? { restart_required: true } : {}),
    },
    // Nothing serves SSH yet, whatever the config asks for.
    access: { ssh_enabled: false },
    network: {
      allow_internet: row.config.network_config.allow_internet,
      ingress_ports: [],
      egress_ports: [],
      egress: [],
      public_access: row.config.network_config.public_ingress,
      ingress: [],
    },
    public_ports: [],
    resources: { cpus: row.cpus, memory_mb: row.memory_mb, disk_size_mb: row.disk_mb },
    ...(row.expires_at === null ? {} : { expires_at: iso(row.expires_at) }),
    ...(row.timings ? { timings: row.timings } : {}),
    created_at: iso(row.created_at),
    updated_at: iso(row.updated_at),
  }
}

/** What the details of a workspace are made of. */
export interface DetailsParts {
  readonly row: WorkspaceRow
  readonly shown: Workspace
  readonly reading: VmReading | undefined
  readonly host: HostInfo
  readonly token: string
}

/** The details object of the API. */
export function presentDetails({ row, shown, reading, host, token }: DetailsParts): WorkspaceDetails {
  const { config } = row
  const uptime = reading ? Math.floor(reading.info.uptimeSeconds) : shown.uptime
  return {
    ...shown,
    uptime,
    token,
    stats: presentStats(reading),
    // Nothing serves SSH, a terminal or a preview yet, whatever the config asks for.
    ssh: { ssh_enabled: false, ssh_id: row.id.replace('ws_', ''), connection: null },
    api_access: { terminal: false, preview: false },
    lifecycle: {
      mode: row.mode,
      restart_policy: config.restart_policy,
      max_restarts: config.max_restarts,
      ttl: config.ttl ?? null,
      ttl_action: config.ttl_action,
      remove_on_exit: config.remove_on_exit,
      uptime,
    },
    config,
    isolation: { accel: host.accel, class: host.accel === 'kvm' ? 'hardware' : 'emulated', kernel: reading?.info.kernelRelease ?? '' },
  }
}

/** Seconds since the VM of a row was started; 0 when it has none. */
export function uptimeOf({ status, started_at }: Pick<WorkspaceRow, 'status' | 'started_at'>, now: number): number {
  const isUp = status === 'running' || status === 'pausing' || status === 'paused' || status === 'resuming'
  return isUp && started_at !== null ? Math.max(0, Math.floor((now - started_at) / 1000)) : 0
}

/** The stats object of the API; zeros for a VM that does not run. */
export function presentStats(reading: VmReading | undefined): Stats {
  const stats = reading?.stats
  const memoryTotal = stats?.memoryTotalBytes ?? 0
  const memoryUsed = stats?.memoryUsedBytes ?? 0
  const diskTotal = stats?.diskTotalBytes ?? 0
  const diskUsed = stats?.diskUsedBytes ?? 0
  const rx = reading?.rxBytes ?? 0
  const tx = reading?.txBytes ?? 0
  return {
    cpuUsage: round(reading?.cpuPercent ?? 0),
    memoryUsage: percent(memoryUsed, memoryTotal),
    memoryUsedMB: Math.round(memoryUsed / 1024 ** 2),
    memoryTotalMB: Math.round(memoryTotal / 1024 ** 2),
    guestMemoryUsed: memoryUsed,
    guestMemoryTotal: memoryTotal,
    guestDiskUsedBytes: diskUsed,
    guestDiskTotalBytes: diskTotal,
    guestDiskUsedPct: percent(diskUsed, diskTotal),
    networkIn: humanBytes(rx),
    networkOut: humanBytes(tx),
    networkInBytes: rx,
    networkOutBytes: tx,
    uptime: round(reading?.info.uptimeSeconds ?? 0),
  }
}

/** `1.2 MB`: decimal units, one digit after the point above bytes. */
export function humanBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  const units = ['kB', 'MB', 'GB', 'TB', 'PB']
  let value = bytes / 1000
  let unit = 0
  while (value >= 999.95 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${value.toFixed(1)} ${units[unit]}`
}

function iso(at: number): string {
  return new Date(at).toISOString()
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}

function percent(part: number, whole: number): number {
  return whole > 0 ? round((100 * part) / whole) : 0
}
