// Made from the contract by script/generate. Change packages/contract/src and run it again.

/** State of a workspace. */
export type WorkspaceStatus = 'creating' | 'starting' | 'running' | 'pausing' | 'paused' | 'resuming' | 'stopping' | 'stopped' | 'failed' | 'deleting'

/** Whether a workspace lives until it is deleted, or for a time. */
export type WorkspaceMode = 'permanent' | 'temporary'

/** When a VM is started again after it ended. */
export type RestartPolicy = 'no' | 'always' | 'on-failure'

/** What happens when the time to live is over. */
export type TtlAction = 'stop' | 'remove' | 'pause' | 'suspend'

/** When a workspace sleeps, in seconds; 0 is never. */
export interface IdlePolicy {
  /** Seconds without activity after which the workspace sleeps. */
  suspend_after: number
  /** Seconds of sleep after which it is stopped; 0 is never. */
  stop_after: number
}

/** When a workspace is to sleep. */
export interface IdleRequest {
  /** Time without activity after which the workspace sleeps: at least 2 minutes, or 0 for never. Duration or seconds. */
  suspend_after: string | number
  /** Time of sleep after which it is stopped: at least an hour, or 0 for never. Duration or seconds. */
  stop_after?: string | number
}

/** One environment variable. */
export interface EnvEntry {
  /** Name of the variable. */
  key: string
  /** Value of the variable. At most 32768 characters. */
  value: string
}

/** Network policy. */
export interface NetworkConfig {
  /** Allow outbound internet access. Default true. */
  allow_internet?: boolean
  /** Allow inbound traffic from the public internet. Default false. */
  public_ingress?: boolean
}

/** A program that is started on boot, as it is stored. */
export interface Workload {
  /** Program and arguments. */
  cmd: string[]
  /** Identifier chosen by the caller. */
  id?: string
  /** At most 255 characters. */
  name?: string
  /** `NAME=value` entries. */
  env?: string[]
  /** At most 4096 characters. */
  working_dir?: string
  /** At most 64 characters. */
  user?: string
  /** Default "never". */
  restart_policy?: 'never' | 'on-failure' | 'always'
  /** 0 to 1000000. */
  max_restarts?: number
  /** Seconds. 0 to 86400. */
  restart_delay?: number
  restart_backoff?: boolean
  /** At most 4096 characters. */
  log_path?: string
  /** 1 to 1024. */
  max_log_size_mb?: number
  /** 1 to 8760. */
  log_retention_hours?: number
  vm_on_exit?: 'pause' | 'stop' | 'exit' | ''
  /** Labels of the caller. */
  labels?: Record<string, string>
  /** Annotations of the caller. */
  annotations?: Record<string, string>
  enabled?: boolean
  /** At most 64 characters. */
  target?: string
}

/** A workload as a request gives it. */
export interface WorkloadInput {
  /** Program and arguments. */
  cmd: string[]
  /** Identifier chosen by the caller. */
  id?: string
  /** At most 255 characters. */
  name?: string
  /** `NAME=value` entries, or an object. */
  env?: string[] | Record<string, string>
  /** At most 4096 characters. */
  working_dir?: string
  /** At most 64 characters. */
  user?: string
  /** Default "never". */
  restart_policy?: 'never' | 'on-failure' | 'always'
  /** 0 to 1000000. */
  max_restarts?: number
  /** Seconds. 0 to 86400. */
  restart_delay?: number
  restart_backoff?: boolean
  /** At most 4096 characters. */
  log_path?: string
  /** 1 to 1024. */
  max_log_size_mb?: number
  /** 1 to 8760. */
  log_retention_hours?: number
  vm_on_exit?: 'pause' | 'stop' | 'exit' | ''
  /** Labels of the caller. */
  labels?: Record<string, string>
  /** Annotations of the caller. */
  annotations?: Record<string, string>
  enabled?: boolean
  /** At most 64 characters. */
  target?: string
  /** Another name of `restart_policy`. */
  restart?: 'never' | 'no' | 'on-failure' | 'always'
}

/** Configuration of a workspace, as a request gives it. */
export interface WorkspaceConfig {
  /** Virtual CPUs, subject to the plan. 1 to 32. Default 1. */
  cpus?: number
  /** Memory in MiB, subject to the plan. 128 to 65536. Default 512. */
  memory_mb?: number
  /** Writable disk in MiB, subject to the plan. 64 to 204800. Default 512. */
  writable_size_mb?: number
  /** Another name of `writable_size_mb`. 64 to 204800. */
  disk_size_mb?: number
  /** Time to live: `30m`, `1h`, `24h`, `7d`, or seconds. Has an effect in temporary mode only. */
  ttl?: string | number
  /** What happens when the time to live is over; `suspend` is `pause` as long as snapshots are not supported. Default "stop". */
  ttl_action?: TtlAction
  /** Delete the workspace when its VM exits. Default false. */
  remove_on_exit?: boolean
  /** When the VM is started again after it ended. Default "no". */
  restart_policy?: RestartPolicy
  /** Restart attempts; 0 is unlimited while a policy is set. 0 to 1000000. Default 0. */
  max_restarts?: number
  /** Keep logs across restarts. Default true. */
  keep_logs?: boolean
  /** Keep the same internal address for life. Default false. */
  static_network?: boolean
  network_config?: NetworkConfig
  /** Same as `network_config.allow_internet`. */
  allow_internet?: boolean
  /** Enable SSH on creation. Default false. */
  ssh_access?: boolean
  /** Environment of the start command: `{key, value}` or `NAME=value`. Default []. */
  env?: (EnvEntry | string)[]
  /** Start command: program and arguments, or one string for a shell. */
  cmd?: string[] | string
  /** Workloads to start on boot. Default []. */
  workloads?: WorkloadInput[]
  /** Answer only when disk, network and start command are up. Default false. */
  wait_for_init?: boolean
  /** Outbound proxy, by its id in the server configuration. 1 to 2147483647. */
  proxy_assignment_id?: number
  /** When to sleep for want of activity; stored, acted on once snapshots are supported. */
  idle?: IdleRequest | null
}

/** Configuration of a workspace, as it is stored: aliases folded, defaults filled in. */
export interface StoredConfig {
  cpus: number
  memory_mb: number
  writable_size_mb: number
  ttl?: string
  /** What happens when the time to live is over; `suspend` is `pause` as long as snapshots are not supported. Default "stop". */
  ttl_action: TtlAction
  remove_on_exit: boolean
  /** When the VM is started again after it ended. Default "no". */
  restart_policy: RestartPolicy
  max_restarts: number
  keep_logs: boolean
  static_network: boolean
  network_config: {
    allow_internet: boolean
    public_ingress: boolean
  }
  ssh_access: boolean
  env: EnvEntry[]
  cmd?: string[] | string
  workloads: Workload[]
  wait_for_init: boolean
  proxy_assignment_id?: number
  idle?: IdlePolicy | null
}

/** Body of a create. */
export interface CreateWorkspaceRequest {
  /** Display name; generated when absent. At most 255 characters. */
  name?: string
  /** Id or reference of the catalogue. At most 512 characters. */
  image: string
  namespace?: string | null
  /** Default "temporary". */
  mode?: WorkspaceMode
  /** Free identifier of the caller. At most 64 characters. */
  type?: string
  /** Configuration of a workspace. */
  config?: WorkspaceConfig
  /** Same as the Idempotency-Key header. At most 255 characters. */
  idempotency_key?: string
  /** Sent by official clients, which poll by themselves; the answer waits in any case. */
  wait_ready?: boolean
}

/** Body of an update. */
export interface UpdateWorkspaceRequest {
  /** At most 255 characters. */
  name?: string
  /** Configuration of a workspace. */
  config?: WorkspaceConfig
}

/** Body of a start. */
export interface StartRequest {
  /** Start anew even if it is thought to run. Default false. */
  force?: boolean
}

/** Page and filters of a list. */
export interface ListQuery {
  /** 1 to 1000000000. Default 1. */
  page?: number
  /** Capped at 100. At least 1. Default 20. */
  limit?: number
  mode?: WorkspaceMode
  status?: WorkspaceStatus
  /** At most 128 characters. */
  namespace?: string
}

/** Which log, and how much of it. */
export interface LogsQuery {
  /** `boot` is the console, `cmd` the output of the start command. Default "cmd". */
  source?: 'boot' | 'cmd'
  /** 1 to 10000. Default 100. */
  tail_lines?: number
}

/** Filters of the catalogue. */
export interface ImagesQuery {
  /** At most 255 characters. */
  search?: string
  /** At most 64 characters. */
  category?: string
}

/** How far the making of a workspace has come. */
export interface Provisioning {
  state: 'queued' | 'running' | 'ready' | 'failed'
  phase: 'queued' | 'preparing' | 'starting' | 'initializing' | 'ready' | 'failed' | 'deleting'
  /** What is being done, for people. */
  message: string
  error: {
    code: string
    message: string
  } | null
  /** When it began. ISO 8601, UTC. */
  created_at?: string
  /** When it last changed. ISO 8601, UTC. */
  updated_at?: string
  completed_at?: string | null
}

/** A workspace. */
export interface Workspace {
  /** `ws_` and 12 lowercase letters or digits. */
  id: string
  name: string
  namespace: string | null
  mode: WorkspaceMode
  type?: string
  /** Image as the create request named it. */
  image: string
  /** Address in 10.0.0.0/8; empty while a workspace without a static address is stopped. */
  ip: string
  /** Boots so far; what `If-Match` is compared with. */
  generation: number
  /** Seconds since the VM started, by its own clock; 0 when there is none. */
  uptime: number
  /** When the VM started, ISO 8601, UTC; empty before the first start. */
  start_time: string
  status: WorkspaceStatus
  /** Whether the VM runs and its agent answers. */
  ready: boolean
  provisioning?: Provisioning
  info: {
    status: WorkspaceStatus
    is_running: boolean
    user_requested_stop: boolean
    ready: boolean
    failure?: {
      /** Error code that a start or stop ended with, or `vm_exited`, `vm_oom`, `guest_panic`, `init_failed`, `host_reboot`; of a running VM `vm_paused` or `vm_unresponsive`. */
      code: string
      message: string
      /** When it happened. ISO 8601, UTC. */
      at: string
    }
    /** When the restart policy starts the VM again. ISO 8601, UTC. */
    next_restart_at?: string
    /** Whether stored settings wait for the next start. */
    restart_required?: boolean
  }
  access: {
    ssh_enabled: boolean
  }
  network: {
    allow_internet: boolean
    ingress_ports: number[]
    egress_ports: number[]
    egress: string[]
    public_access: boolean
    ingress: string[]
  }
  public_ports: {
    port: number
    hash: string
    label: string
    url: string
  }[]
  resources: {
    cpus: number
    memory_mb: number
    disk_size_mb: number
  }
  /** When the time to live is over. ISO 8601, UTC. */
  expires_at?: string
  /** Duration of each step of the last boot, ms. */
  timings?: Record<string, number>
  /** When it was created. ISO 8601, UTC. */
  created_at: string
  /** When it last changed. ISO 8601, UTC. */
  updated_at: string
}

/** Live usage of a VM. */
export interface Stats {
  /** Busy share of the virtual CPUs, percent. */
  cpuUsage: number
  /** Used share of memory, percent. */
  memoryUsage: number
  memoryUsedMB: number
  memoryTotalMB: number
  /** Bytes. */
  guestMemoryUsed: number
  /** Bytes. */
  guestMemoryTotal: number
  guestDiskUsedBytes: number
  guestDiskTotalBytes: number
  guestDiskUsedPct: number
  /** Received by the VM, for people, such as `1.2 MB`. */
  networkIn: string
  /** Sent by the VM, for people. */
  networkOut: string
  networkInBytes: number
  networkOutBytes: number
  /** Seconds, by the clock of the VM. */
  uptime: number
}

/** What separates a VM from its host. */
export interface Isolation {
  /** Accelerator that runs the VM. */
  accel: 'kvm' | 'tcg'
  /** What separates the VM from the host. */
  class: 'hardware' | 'emulated'
  /** Release of the guest kernel, as the guest tells it; empty when there is no VM. */
  kernel: string
}

/** A workspace with its token, usage, lifecycle and config. */
export interface WorkspaceDetails {
  /** `ws_` and 12 lowercase letters or digits. */
  id: string
  name: string
  namespace: string | null
  mode: WorkspaceMode
  type?: string
  /** Image as the create request named it. */
  image: string
  /** Address in 10.0.0.0/8; empty while a workspace without a static address is stopped. */
  ip: string
  /** Boots so far; what `If-Match` is compared with. */
  generation: number
  /** Seconds since the VM started, by its own clock; 0 when there is none. */
  uptime: number
  /** When the VM started, ISO 8601, UTC; empty before the first start. */
  start_time: string
  status: WorkspaceStatus
  /** Whether the VM runs and its agent answers. */
  ready: boolean
  provisioning?: Provisioning
  info: {
    status: WorkspaceStatus
    is_running: boolean
    user_requested_stop: boolean
    ready: boolean
    failure?: {
      /** Error code that a start or stop ended with, or `vm_exited`, `vm_oom`, `guest_panic`, `init_failed`, `host_reboot`; of a running VM `vm_paused` or `vm_unresponsive`. */
      code: string
      message: string
      /** When it happened. ISO 8601, UTC. */
      at: string
    }
    /** When the restart policy starts the VM again. ISO 8601, UTC. */
    next_restart_at?: string
    /** Whether stored settings wait for the next start. */
    restart_required?: boolean
  }
  access: {
    ssh_enabled: boolean
  }
  network: {
    allow_internet: boolean
    ingress_ports: number[]
    egress_ports: number[]
    egress: string[]
    public_access: boolean
    ingress: string[]
  }
  public_ports: {
    port: number
    hash: string
    label: string
    url: string
  }[]
  resources: {
    cpus: number
    memory_mb: number
    disk_size_mb: number
  }
  /** When the time to live is over. ISO 8601, UTC. */
  expires_at?: string
  /** Duration of each step of the last boot, ms. */
  timings?: Record<string, number>
  /** When it was created. ISO 8601, UTC. */
  created_at: string
  /** When it last changed. ISO 8601, UTC. */
  updated_at: string
  /** Signed token that names this workspace, valid for an hour. */
  token: string
  stats: Stats
  ssh: {
    ssh_enabled: boolean
    ssh_id: string
    connection: {
      command: string
    } | null
  }
  api_access: {
    terminal: boolean
    preview: boolean
  }
  lifecycle: {
    mode: WorkspaceMode
    restart_policy: string
    max_restarts: number
    ttl: string | null
    ttl_action: string
    remove_on_exit: boolean
    uptime: number
  }
  config: StoredConfig
  isolation: Isolation
}

/** An image of the catalogue. */
export interface CatalogImage {
  /** Short id, such as `node-20`. */
  id: string
  /** Reference, such as `alcove/node:20`; create accepts either. */
  image: string
  label: string
  desc: string
  category: string
  capabilities: string[]
  /** Whether the image is on this host; an absent one is built on first use. */
  status: 'ready' | 'building' | 'absent' | 'failed'
  size_mb: number | null
}

/** Plan, limits and usage of an account. */
export interface Quota {
  success: true
  plan: string
  planLabel: string
  limits: {
    cpus: {
      min: number
      max: number
      default: number
    }
    memory_mb: {
      min: number
      max: number
      default: number
    }
    writable_size_mb: {
      min: number
      max: number
      default: number
    }
  }
  pool: {
    cpus: number
    memory_mb: number
    disk_mb: number
  }
  pool_usage: {
    cpus: number
    memory_mb: number
    disk_mb: number
  }
  running_pool: {
    cpus: number
    memory_mb: number
    disk_mb: number
  }
  running_pool_usage: {
    cpus: number
    memory_mb: number
    disk_mb: number
  }
  maxSandboxes: number
  currentSandboxes: number
  canCreate: boolean
  reason: string | null
}

/** Answer with a workspace. */
export interface WorkspaceAnswer {
  success: true
  workspace: Workspace
}

/** Answer to an update. */
export interface UpdateAnswer {
  success: true
  workspace: Workspace
  /** Whether a changed setting waits for the next start. */
  restart_required: boolean
}

/** Answer with the details of a workspace. */
export interface DetailsAnswer {
  success: true
  workspace: WorkspaceDetails
}

/** One page of workspaces. */
export interface ListAnswer {
  success: true
  workspaces: Workspace[]
  total: number
  page: number
  limit: number
}

/** Answer to a delete. */
export interface DeleteAnswer {
  success: true
  message: string
}

/** Answer with the usage of a VM. */
export interface StatsAnswer {
  success: true
  stats: Stats
}

/** Answer with lines of a log. */
export interface LogsAnswer {
  success: true
  logs: string
  source: 'boot' | 'cmd'
}

/** Answer with the catalogue. */
export interface ImagesAnswer {
  success: true
  images: CatalogImage[]
  categories: {
    id: string
    label: string
  }[]
}

/** What ended a VM. `stop`, `restart`, `ttl` and `remove` were asked for, `guest_…` was the guest itself, the others are failures. */
export type ExitCause =
  | 'stop'
  | 'restart'
  | 'ttl'
  | 'remove'
  | 'guest_poweroff'
  | 'guest_reboot'
  | 'guest_panic'
  | 'vmm_killed'
  | 'vmm_crashed'
  | 'oom'
  | 'init_failed'
  | 'boot_failed'
  | 'host_reboot'
  | 'lost'

/** How a VM ended. */
export interface LastExit {
  cause: ExitCause
  /** Whether that is no failure. */
  clean: boolean
  exit_code: number | null
  signal: string | null
  requested_by: string | null
  message: string
  /** When it was seen. ISO 8601, UTC. */
  at: string
}

/** What the restart policy did and will do. */
export interface RestartInfo {
  /** Restarts by the policy since the VM was last stable or started by a user. */
  restart_count: number
  /** Restarts after which the policy gives up; 0 is never. */
  max_restarts: number
  gave_up: boolean
  next_attempt_at: string | null
  last_exit: LastExit | null
}

/** Answer with mode, time to live and restarts. */
export interface LifecycleAnswer {
  success: true
  mode: WorkspaceMode
  status: WorkspaceStatus
  /** The policy in effect: `no` as long as the workspace has a time to live. */
  restart_policy: RestartPolicy
  max_restarts: number
  restart_info: RestartInfo | null
  ttl: string | null
  ttl_action: string | null
  remove_on_exit: boolean
  /** Seconds. */
  uptime: number
  expires_at: string | null
  ttl_expires_at: string | null
  /** When it was created. ISO 8601, UTC. */
  created_at: string
  idle: IdlePolicy | null
  pause_supported: boolean
  /** Whether the memory of the VM can be saved; without it, `idle` is stored and has no effect. */
  snapshot_supported: boolean
  snapshot_unavailable_reason: string | null
}

/** Body of `lifecycle/permanent`. */
export interface PermanentRequest {
  /** When the VM is started again after it ended. Default "no". */
  restart_policy?: RestartPolicy
}

/** Body of `lifecycle/temporary`. */
export interface TemporaryRequest {
  ttl?: string | number | null
  /** What happens when the time to live is over; `suspend` is `pause` as long as snapshots are not supported. Default "stop". */
  ttl_action?: TtlAction
  remove_on_exit?: boolean
}

/** Body of `lifecycle/ttl`. */
export interface TtlRequest {
  ttl?: string | number | null
  /** What happens when the time to live is over; `suspend` is `pause` as long as snapshots are not supported. Default "stop". */
  ttl_action?: TtlAction
}

/** Body of a ping. */
export interface PingRequest {
  /** 1 to 315360000. */
  ttl_seconds?: number
}

/** Answer to a ping. */
export interface PingAnswer {
  success: true
  expires_at: string | null
}

/** Answer with the idle policy. */
export interface IdleAnswer {
  success: true
  idle: IdlePolicy | null
}

/** Body of a change of resources. */
export interface ResourcesRequest {
  /** Virtual CPUs. 1 to 32. */
  cpus?: number
  /** Memory, MiB. 128 to 65536. */
  memory_mb?: number
  /** Writable disk, MiB; it grows and never shrinks. 64 to 204800. */
  writable_size_mb?: number
  /** Another name of `writable_size_mb`. 64 to 204800. */
  disk_size_mb?: number
  /** Whether to restart a running VM now, so that it has the new resources. Default false. */
  apply?: boolean
}

/** Answer with the resources of a workspace. */
export interface ResourcesAnswer {
  success: true
  resources: {
    cpus: number
    memory_mb: number
    writable_size_mb: number
    /** Same as `writable_size_mb`. */
    disk_size_mb: number
    cpu_config: {
      quota: 'standard'
    }
    status: WorkspaceStatus
    /** Whether the running VM has other resources than these. */
    restart_required: boolean
  }
  cpus: number
  memory_mb: number
  writable_size_mb: number
  disk_size_mb: number
}

/** Answer to a change of resources. */
export interface ResourcesChangedAnswer {
  success: true
  updated: {
    cpus?: number
    memory_mb?: number
    writable_size_mb?: number
  }
  /** Whether the VM was restarted. */
  relaunched: boolean
}

/** Body of a change of metadata. */
export interface MetadataRequest {
  /** Merged into what is there; `null` removes a key. */
  metadata: Record<string, string | null>
}

/** Answer with metadata. */
export interface MetadataAnswer {
  success: true
  /** Text by key. */
  metadata: Record<string, string>
}

/** Size to be estimated. */
export interface EstimateQuery {
  /** Virtual CPUs. 1 to 32. */
  cpu?: number
  /** Memory, MiB. 128 to 65536. */
  ram_mb?: number
  /** Writable disk, MiB. 64 to 204800. */
  disk_mb?: number
}

/** What a workspace costs an hour. */
export interface EstimateAnswer {
  success: true
  estimate: {
    min: number
    avg: number
    max: number
  }
  period: 'hour'
  /** As the server configuration names it. */
  currency: string
}

/** Something that was done, or is being done, with a workspace. */
export interface Operation {
  /** `op_` and 12 lowercase letters or digits; also in the header `X-Operation-Id` of the answer. */
  id: string
  workspace_id: string
  verb: 'create' | 'start' | 'stop' | 'restart' | 'pause' | 'resume' | 'retry' | 'delete' | 'update' | 'resources' | 'metadata' | 'lifecycle' | 'ping'
  /** `cancelled`: given up in favour of a later one. */
  status: 'running' | 'succeeded' | 'failed' | 'cancelled'
  /** A key id, or `system`. */
  actor: string
  cause: 'request' | 'ttl' | 'restart_policy' | 'remove_on_exit' | 'guest' | 'host' | 'host_reboot' | 'recovery' | 'deadline' | 'clock'
  steps: {
    /** A status of the workspace, or a part of a boot. */
    name: string
    /** When it began. ISO 8601, UTC. */
    at: string
  }[]
  error: {
    code: string
    message: string
  } | null
  /** When it began. ISO 8601, UTC. */
  created_at: string
  ended_at: string | null
}

/** Answer with an operation. */
export interface OperationAnswer {
  success: true
  operation: Operation
}

/** One page of operations. */
export interface OperationsAnswer {
  success: true
  operations: Operation[]
  next: string | null
}

/** Page of operations or events. */
export interface HistoryQuery {
  /** Capped at 100. At least 1. Default 50. */
  limit?: number
  /** Id of the last event of a page, oldest first: the page that follows it. At most 64 characters. */
  after?: string
}

/** Something that happened to a workspace. */
export interface WorkspaceEvent {
  /** Grows; what `Last-Event-ID` and `after` take. */
  id: string
  workspace_id: string
  /** When it happened. ISO 8601, UTC. */
  at: string
  /** `status`, `health`, `updated`, `restart`, `deleted` and the like. */
  type: string
  from: WorkspaceStatus | null
  to: WorkspaceStatus | null
  boot_id: string | null
  /** A key id, or `system`. */
  actor: string
  cause: 'request' | 'ttl' | 'restart_policy' | 'remove_on_exit' | 'guest' | 'host' | 'host_reboot' | 'recovery' | 'deadline' | 'clock'
  /** Why, for people. */
  reason: string
  operation_id: string | null
  /** Facts for programs, such as how a VM ended. */
  data: Record<string, unknown> | null
}

/** One page of events. */
export interface EventsAnswer {
  success: true
  events: WorkspaceEvent[]
  next: string | null
}

/** Answer of a server that serves. */
export interface HealthAnswer {
  success: true
  status: 'ok'
  version: string
}

/** Answer of a request that failed. */
export interface ErrorAnswer {
  success: false
  /** Code of the registry. */
  error: string
  /** Same as `error`. */
  code: string
  /** What went wrong and what to do next. */
  message: string
  /** Facts for programs, such as `field` and `allowed`. */
  details?: Record<string, unknown>
  /** Amount in use, where a limit was reached. */
  current?: number
  /** The limit that was reached. */
  max?: number
  requestId: string
}

/** Code of an error. */
export type ErrorCode =
  | 'MISSING_USER_ID'
  | 'INVALID_NAMESPACE'
  | 'INVALID_NAME_LENGTH'
  | 'INVALID_IMAGE'
  | 'INVALID_CONFIG'
  | 'SANDBOX_LIMIT_REACHED'
  | 'RESOURCE_NOT_ALLOWED'
  | 'POOL_LIMIT_REACHED'
  | 'RUNNING_POOL_REACHED'
  | 'VM_UNAVAILABLE'
  | 'CREATE_FAILED'
  | 'START_FAILED'
  | 'STOP_FAILED'
  | 'IMAGE_UNAVAILABLE'
  | 'bad_request'
  | 'validation_error'
  | 'not_found'
  | 'method_not_allowed'
  | 'request_timeout'
  | 'conflict'
  | 'vm_not_running'
  | 'precondition_failed'
  | 'payload_too_large'
  | 'unsupported_media_type'
  | 'idempotency_mismatch'
  | 'rate_limited'
  | 'headers_too_large'
  | 'service_unavailable'
  | 'storage_full'
  | 'internal_error'
