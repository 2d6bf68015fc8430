/** Requests and answers about the life of a workspace: mode, time to live, restarts, resources, metadata, estimate. */
import Type, { type Static, type TProperties, type TSchema } from 'typebox'
import { answer, timestamp } from './answers.ts'
import { IdleInput, IdlePolicy, RestartPolicy, TtlAction } from './config.ts'
import { limits } from './limits.ts'
import { workspaceStatuses } from './states.ts'
import { WorkspaceMode } from './workspace.ts'

const closed = <T extends TProperties>(properties: T) => Type.Object(properties, { additionalProperties: false })
const nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()])

/** `30m`, `1h`, `7d`, or seconds as a number or digits. */
const Ttl = Type.Union(
  [Type.String({ pattern: '^[1-9][0-9]{0,9}(s|m|h|d)?$', examples: ['30m', '3600'] }), Type.Integer({ minimum: 1, maximum: 9_999_999_999 })],
  {
    description: 'Time to live: `30m`, `1h`, `24h`, `7d`, or seconds; at most ten years.',
  },
)

/** What ended a VM. `stop`, `restart`, `ttl` and `remove`: asked for; `guest_…`: the guest itself; the others are failures. */
export const ExitCause = Type.Enum([
  'stop',
  'restart',
  'ttl',
  'remove',
  'guest_poweroff',
  'guest_reboot',
  'guest_panic',
  'vmm_killed',
  'vmm_crashed',
  'oom',
  'init_failed',
  'boot_failed',
  'host_reboot',
  'lost',
])

/** How a VM ended. */
export const LastExit = closed({
  cause: ExitCause,
  clean: Type.Boolean({ description: 'Whether that is no failure.' }),
  exit_code: nullable(Type.Integer({ description: 'Exit code of the virtual machine monitor, where it is known.' })),
  signal: nullable(Type.String({ description: 'Signal that ended it.' })),
  requested_by: nullable(Type.String({ description: 'Who asked for it: a key id, `system`, or nobody.' })),
  message: Type.String(),
  at: timestamp('When it was seen.'),
})
export type LastExit = Static<typeof LastExit>

export const RestartInfo = closed({
  restart_count: Type.Integer({ description: 'Restarts by the policy since the VM was last stable or started by a user.' }),
  max_restarts: Type.Integer({ description: 'Restarts after which the policy gives up; 0 is never.' }),
  gave_up: Type.Boolean(),
  next_attempt_at: nullable(timestamp('When the VM is started again.')),
  last_exit: nullable(LastExit),
})
export type RestartInfo = Static<typeof RestartInfo>

const lifecycleProperties = {
  mode: WorkspaceMode,
  status: Type.Enum(workspaceStatuses),
  restart_policy: Type.Enum(['no', 'always', 'on-failure'], { description: 'The policy in effect: `no` as long as the workspace has a time to live.' }),
  max_restarts: Type.Integer(),
  restart_info: nullable(RestartInfo),
  ttl: nullable(Type.String()),
  ttl_action: nullable(Type.String()),
  remove_on_exit: Type.Boolean(),
  uptime: Type.Number({ description: 'Seconds.' }),
  expires_at: nullable(timestamp('When the time to live is over.')),
  ttl_expires_at: nullable(timestamp('Same as `expires_at`.')),
  created_at: timestamp('When it was created.'),
  idle: nullable(IdlePolicy),
  pause_supported: Type.Boolean(),
  snapshot_supported: Type.Boolean({ description: 'Whether the memory of the VM can be saved; without it, `idle` is stored and has no effect.' }),
  snapshot_unavailable_reason: nullable(Type.String()),
}
export const LifecycleAnswer = answer(lifecycleProperties)
export type LifecycleAnswer = Static<typeof LifecycleAnswer>

export const PermanentBody = closed({ restart_policy: Type.Optional(RestartPolicy) })
export type PermanentBody = Static<typeof PermanentBody>
export const TemporaryBody = closed({ ttl: Type.Optional(nullable(Ttl)), ttl_action: Type.Optional(TtlAction), remove_on_exit: Type.Optional(Type.Boolean()) })
export type TemporaryBody = Static<typeof TemporaryBody>
export const TtlBody = closed({ ttl: Type.Optional(nullable(Ttl)), ttl_action: Type.Optional(TtlAction) })
export type TtlBody = Static<typeof TtlBody>
export const PingBody = closed({ ttl_seconds: Type.Optional(Type.Integer({ minimum: limits.ttlSeconds.min, maximum: limits.ttlSeconds.max })) })
export type PingBody = Static<typeof PingBody>
export const IdleBody = IdleInput
export const IdleAnswer = answer({ idle: nullable(IdlePolicy) })
export const PingAnswer = answer({ expires_at: nullable(timestamp('When the time to live is over.')) })

const amount = (bounds: { min: number; max: number }, description: string) => Type.Integer({ minimum: bounds.min, maximum: bounds.max, description })
export const ResourcesBody = closed({
  cpus: Type.Optional(amount(limits.cpus, 'Virtual CPUs.')),
  memory_mb: Type.Optional(amount(limits.memory_mb, 'Memory, MiB.')),
  writable_size_mb: Type.Optional(amount(limits.writable_size_mb, 'Writable disk, MiB; it grows and never shrinks.')),
  disk_size_mb: Type.Optional(amount(limits.writable_size_mb, 'Another name of `writable_size_mb`.')),
  apply: Type.Optional(Type.Boolean({ default: false, description: 'Whether to restart a running VM now, so that it has the new resources.' })),
})
export type ResourcesBody = Static<typeof ResourcesBody>

const Resources = closed({
  cpus: Type.Integer(),
  memory_mb: Type.Integer(),
  writable_size_mb: Type.Integer(),
  disk_size_mb: Type.Integer({ description: 'Same as `writable_size_mb`.' }),
  cpu_config: closed({ quota: Type.Literal('standard') }),
  status: Type.Enum(workspaceStatuses),
  restart_required: Type.Boolean({ description: 'Whether the running VM has other resources than these.' }),
})
export type Resources = Static<typeof Resources>
export const ResourcesAnswer = answer({
  resources: Resources,
  cpus: Type.Integer(),
  memory_mb: Type.Integer(),
  writable_size_mb: Type.Integer(),
  disk_size_mb: Type.Integer(),
})
export type ResourcesAnswer = Static<typeof ResourcesAnswer>
export const ResourcesChangedAnswer = answer({
  updated: closed({ cpus: Type.Optional(Type.Integer()), memory_mb: Type.Optional(Type.Integer()), writable_size_mb: Type.Optional(Type.Integer()) }),
  relaunched: Type.Boolean({ description: 'Whether the VM was restarted.' }),
})
export type ResourcesChangedAnswer = Static<typeof ResourcesChangedAnswer>

const Metadata = Type.Record(Type.String({ minLength: 1, maxLength: limits.metadataKeyChars }), Type.String({ maxLength: limits.metadataValueChars }), {
  description: 'Text by key.',
})
export type Metadata = Static<typeof Metadata>
export const MetadataBody = closed({
  metadata: Type.Record(Type.String({ minLength: 1, maxLength: limits.metadataKeyChars }), nullable(Type.String({ maxLength: limits.metadataValueChars })), {
    maxProperties: limits.metadataEntries,
    description: 'Merged into what is there; `null` removes a key.',
  }),
})
export type MetadataBody = Static<typeof MetadataBody>
export const MetadataAnswer = answer({ metadata: Metadata })

export const EstimateQuery = Type.Object({
  cpu: Type.Optional(amount(limits.cpus, 'Virtual CPUs.')),
  ram_mb: Type.Optional(amount(limits.memory_mb, 'Memory, MiB.')),
  disk_mb: Type.Optional(amount(limits.writable_size_mb, 'Writable disk, MiB.')),
})
export type EstimateQuery = Static<typeof EstimateQuery>
export const EstimateAnswer = answer({
  estimate: closed({ min: Type.Number(), avg: Type.Number(), max: Type.Number() }),
  period: Type.Literal('hour'),
  currency: Type.String({ description: 'As the server configuration names it.' }),
})
export type EstimateAnswer = Static<typeof EstimateAnswer>
