/** Requests and answers about workspaces. */
import Type, { type Static } from 'typebox'
import { answer, timestamp } from './answers.ts'
import { Config, ConfigInput } from './config.ts'
import { limits } from './limits.ts'
import { workspaceStatuses } from './states.ts'

export const WorkspaceMode = Type.Enum(['permanent', 'temporary'])

/** How far the making of a workspace has come; present until the first boot has ended well. */
export const Provisioning = Type.Object(
  {
    state: Type.Enum(['queued', 'running', 'ready', 'failed']),
    phase: Type.Enum(['queued', 'preparing', 'starting', 'initializing', 'ready', 'failed', 'deleting']),
    message: Type.String({ description: 'What is being done, for people.' }),
    error: Type.Union([Type.Object({ code: Type.String(), message: Type.String() }), Type.Null()]),
    created_at: Type.Optional(timestamp('When it began.')),
    updated_at: Type.Optional(timestamp('When it last changed.')),
    completed_at: Type.Optional(Type.Union([timestamp('When it ended.'), Type.Null()])),
  },
  { additionalProperties: false },
)
export type Provisioning = Static<typeof Provisioning>

const failureCodes =
  'Error code that a start or stop ended with, or `vm_exited`, `vm_oom`, `guest_panic`, `init_failed`, `host_reboot`; of a running VM `vm_paused` or `vm_unresponsive`.'

const workspaceProperties = {
  id: Type.String({ description: '`ws_` and 12 lowercase letters or digits.' }),
  name: Type.String(),
  namespace: Type.Union([Type.String(), Type.Null()]),
  mode: WorkspaceMode,
  type: Type.Optional(Type.String()),
  image: Type.String({ description: 'Image as the create request named it.' }),
  ip: Type.String({ description: 'Address in 10.0.0.0/8; empty while a workspace without a static address is stopped.' }),
  generation: Type.Integer({ description: 'Boots so far; what `If-Match` is compared with.' }),
  uptime: Type.Number({ description: 'Seconds since the VM started, by its own clock; 0 when there is none.' }),
  start_time: Type.String({ description: 'When the VM started, ISO 8601, UTC; empty before the first start.' }),
  status: Type.Enum(workspaceStatuses),
  ready: Type.Boolean({ description: 'Whether the VM runs and its agent answers.' }),
  provisioning: Type.Optional(Provisioning),
  info: Type.Object({
    status: Type.Enum(workspaceStatuses),
    is_running: Type.Boolean(),
    user_requested_stop: Type.Boolean(),
    ready: Type.Boolean(),
    failure: Type.Optional(Type.Object({ code: Type.String({ description: failureCodes }), message: Type.String(), at: timestamp('When it happened.') })),
    next_restart_at: Type.Optional(timestamp('When the restart policy starts the VM again.')),
    restart_required: Type.Optional(Type.Boolean({ description: 'Whether stored settings wait for the next start.' })),
  }),
  access: Type.Object({ ssh_enabled: Type.Boolean() }),
  network: Type.Object({
    allow_internet: Type.Boolean(),
    ingress_ports: Type.Array(Type.Integer()),
    egress_ports: Type.Array(Type.Integer()),
    egress: Type.Array(Type.String()),
    public_access: Type.Boolean(),
    ingress: Type.Array(Type.String()),
  }),
  public_ports: Type.Array(Type.Object({ port: Type.Integer(), hash: Type.String(), label: Type.String(), url: Type.String() })),
  resources: Type.Object({ cpus: Type.Integer(), memory_mb: Type.Integer(), disk_size_mb: Type.Integer() }),
  expires_at: Type.Optional(timestamp('When the time to live is over.')),
  timings: Type.Optional(Type.Record(Type.String(), Type.Number(), { description: 'Duration of each step of the last boot, ms.' })),
  created_at: timestamp('When it was created.'),
  updated_at: timestamp('When it last changed.'),
}

export const Workspace = Type.Object(workspaceProperties, { additionalProperties: false })
export type Workspace = Static<typeof Workspace>

export const Stats = Type.Object(
  {
    cpuUsage: Type.Number({ description: 'Busy share of the virtual CPUs, percent.' }),
    memoryUsage: Type.Number({ description: 'Used share of memory, percent.' }),
    memoryUsedMB: Type.Number(),
    memoryTotalMB: Type.Number(),
    guestMemoryUsed: Type.Integer({ description: 'Bytes.' }),
    guestMemoryTotal: Type.Integer({ description: 'Bytes.' }),
    guestDiskUsedBytes: Type.Integer(),
    guestDiskTotalBytes: Type.Integer(),
    guestDiskUsedPct: Type.Number(),
    networkIn: Type.String({ description: 'Received by the VM, for people, such as `1.2 MB`.' }),
    networkOut: Type.String({ description: 'Sent by the VM, for people.' }),
    networkInBytes: Type.Integer(),
    networkOutBytes: Type.Integer(),
    uptime: Type.Number({ description: 'Seconds, by the clock of the VM.' }),
  },
  { additionalProperties: false },
)
export type Stats = Static<typeof Stats>

/** How the VM is run: what protects the host from it. */
export const Isolation = Type.Object({
  accel: Type.Enum(['kvm', 'tcg'], { description: 'Accelerator that runs the VM.' }),
  class: Type.Enum(['hardware', 'emulated'], { description: 'What separates the VM from the host.' }),
  kernel: Type.String({ description: 'Release of the guest kernel, as the guest tells it; empty when there is no VM.' }),
})

export const WorkspaceDetails = Type.Object(
  {
    ...workspaceProperties,
    token: Type.String({ description: 'Signed token that names this workspace, valid for an hour.' }),
    stats: Stats,
    ssh: Type.Object({ ssh_enabled: Type.Boolean(), ssh_id: Type.String(), connection: Type.Union([Type.Object({ command: Type.String() }), Type.Null()]) }),
    api_access: Type.Object({ terminal: Type.Boolean(), preview: Type.Boolean() }),
    lifecycle: Type.Object({
      mode: WorkspaceMode,
      restart_policy: Type.String(),
      max_restarts: Type.Integer(),
      ttl: Type.Union([Type.String(), Type.Null()]),
      ttl_action: Type.String(),
      remove_on_exit: Type.Boolean(),
      uptime: Type.Number(),
    }),
    config: Config,
    isolation: Isolation,
  },
  { additionalProperties: false },
)
export type WorkspaceDetails = Static<typeof WorkspaceDetails>

/** Unknown keys at the top level are tolerated: official clients send some. */
export const CreateBody = Type.Object({
  name: Type.Optional(Type.String({ maxLength: limits.nameChars, description: 'Display name; generated when absent.' })),
  image: Type.String({ minLength: 1, maxLength: 512, description: 'Id or reference of the catalogue.' }),
  namespace: Type.Optional(
    Type.Union([Type.String({ pattern: `^[A-Za-z0-9-]{1,${limits.namespaceChars}}$`, description: 'Letters, digits and hyphens.' }), Type.Null()]),
  ),
  mode: Type.Optional(Type.Enum(['permanent', 'temporary'], { default: 'temporary' })),
  type: Type.Optional(Type.String({ maxLength: 64, description: 'Free identifier of the caller.' })),
  config: Type.Optional(ConfigInput),
  idempotency_key: Type.Optional(Type.String({ minLength: 1, maxLength: limits.idempotencyKeyChars, description: 'Same as the Idempotency-Key header.' })),
  wait_ready: Type.Optional(Type.Boolean({ description: 'Sent by official clients, which poll by themselves; the answer waits in any case.' })),
})
export type CreateBody = Static<typeof CreateBody>

export const UpdateBody = Type.Object(
  { name: Type.Optional(Type.String({ maxLength: limits.nameChars })), config: Type.Optional(ConfigInput) },
  { additionalProperties: false },
)
export type UpdateBody = Static<typeof UpdateBody>

export const WorkspaceParams = Type.Object({ workspaceId: Type.String({ maxLength: 128 }) })

export const ListQuery = Type.Object(
  {
    page: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000_000, default: 1 })),
    limit: Type.Optional(Type.Integer({ minimum: 1, default: limits.pageSize.default, description: 'Capped at 100.' })),
    mode: Type.Optional(WorkspaceMode),
    status: Type.Optional(Type.Enum(workspaceStatuses)),
    namespace: Type.Optional(Type.String({ maxLength: limits.namespaceChars })),
  },
  { additionalProperties: true },
)
export type ListQuery = Static<typeof ListQuery>

export const LogsQuery = Type.Object({
  source: Type.Optional(Type.Enum(['boot', 'cmd'], { default: 'cmd', description: '`boot` is the console, `cmd` the output of the start command.' })),
  tail_lines: Type.Optional(Type.Integer({ minimum: 1, maximum: limits.tailLines.max, default: limits.tailLines.default })),
})
export type LogsQuery = Static<typeof LogsQuery>

export const ImagesQuery = Type.Object({
  search: Type.Optional(Type.String({ maxLength: 255 })),
  category: Type.Optional(Type.String({ maxLength: 64 })),
})
export type ImagesQuery = Static<typeof ImagesQuery>

export const StartBody = Type.Object({ force: Type.Optional(Type.Boolean({ default: false, description: 'Start anew even if it is thought to run.' })) })

export const WorkspaceAnswer = answer({ workspace: Workspace })
export type WorkspaceAnswer = Static<typeof WorkspaceAnswer>
export const UpdateAnswer = answer({
  workspace: Workspace,
  restart_required: Type.Boolean({ description: 'Whether a changed setting waits for the next start.' }),
})
export const DetailsAnswer = answer({ workspace: WorkspaceDetails })
export const ListAnswer = answer({ workspaces: Type.Array(Workspace), total: Type.Integer(), page: Type.Integer(), limit: Type.Integer() })
export type ListAnswer = Static<typeof ListAnswer>
export const DeleteAnswer = answer({ message: Type.String() })
export const StatsAnswer = answer({ stats: Stats })
export const LogsAnswer = answer({ logs: Type.String(), source: Type.Enum(['boot', 'cmd']) })

/** An image of the catalogue. */
export const CatalogImage = Type.Object({
  id: Type.String({ description: 'Short id, such as `node-20`.' }),
  image: Type.String({ description: 'Reference, such as `alcove/node:20`; create accepts either.' }),
  label: Type.String(),
  desc: Type.String(),
  category: Type.String(),
  capabilities: Type.Array(Type.String()),
  status: Type.Enum(['ready', 'building', 'absent', 'failed'], { description: 'Whether the image is on this host; an absent one is built on first use.' }),
  size_mb: Type.Union([Type.Number(), Type.Null()]),
})
export type CatalogImage = Static<typeof CatalogImage>
export const ImagesAnswer = answer({ images: Type.Array(CatalogImage), categories: Type.Array(Type.Object({ id: Type.String(), label: Type.String() })) })

const bounds = Type.Object({ min: Type.Integer(), max: Type.Integer(), default: Type.Integer() })
const amounts = Type.Object({ cpus: Type.Integer(), memory_mb: Type.Integer(), disk_mb: Type.Integer() })

export const QuotaAnswer = answer({
  plan: Type.String(),
  planLabel: Type.String(),
  limits: Type.Object({ cpus: bounds, memory_mb: bounds, writable_size_mb: bounds }),
  pool: amounts,
  pool_usage: amounts,
  running_pool: amounts,
  running_pool_usage: amounts,
  maxSandboxes: Type.Integer(),
  currentSandboxes: Type.Integer(),
  canCreate: Type.Boolean(),
  reason: Type.Union([Type.String(), Type.Null()]),
})
export type Quota = Static<typeof QuotaAnswer>

export const ErrorAnswer = Type.Object({
  success: Type.Literal(false),
  error: Type.String({ description: 'Code of the registry.' }),
  code: Type.String({ description: 'Same as `error`.' }),
  message: Type.String({ description: 'What went wrong and what to do next.' }),
  details: Type.Optional(Type.Record(Type.String(), Type.Unknown(), { description: 'Facts for programs, such as `field` and `allowed`.' })),
  current: Type.Optional(Type.Number({ description: 'Amount in use, where a limit was reached.' })),
  max: Type.Optional(Type.Number({ description: 'The limit that was reached.' })),
  requestId: Type.String(),
})
export type ErrorAnswer = Static<typeof ErrorAnswer>
export const HealthAnswer = answer({ status: Type.Literal('ok'), version: Type.String() })
