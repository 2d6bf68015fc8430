/** The `config` object of a workspace: what a request may hold, and what is stored once it was read. */
import Type, { type Static, type TSchema } from 'typebox'
import { limits } from './limits.ts'

const closed = <T extends Record<string, TSchema>>(properties: T, description?: string) =>
  Type.Object(properties, { additionalProperties: false, ...(description ? { description } : {}) })

const range = (bounds: { min: number; max: number; default: number }, description: string) =>
  Type.Integer({ minimum: bounds.min, maximum: bounds.max, default: bounds.default, description })

/** `30m`, `1h`, `24h`, `7d`, or digits for seconds. */
export const durationPattern = '^[1-9][0-9]{0,9}(s|m|h|d)?$'

/** Idle policy as it is stored, in seconds; 0 is never. */
export const IdlePolicy = closed({
  suspend_after: Type.Integer({ description: 'Seconds without activity after which the workspace sleeps.' }),
  stop_after: Type.Integer({ description: 'Seconds of sleep after which it is stopped; 0 is never.' }),
})
export type IdlePolicy = Static<typeof IdlePolicy>

const seconds = (description: string) =>
  Type.Union([Type.String({ pattern: '^(0|[1-9][0-9]{0,9}(s|m|h|d)?)$' }), Type.Integer({ minimum: 0, maximum: 9_999_999_999 })], { description })

/** Idle policy as a request gives it. */
export const IdleInput = closed({
  suspend_after: seconds('Time without activity after which the workspace sleeps: at least 2 minutes, or 0 for never. Duration or seconds.'),
  stop_after: Type.Optional(seconds('Time of sleep after which it is stopped: at least an hour, or 0 for never. Duration or seconds.')),
})
export type IdleInput = Static<typeof IdleInput>

const environmentName = '^[A-Za-z_][A-Za-z0-9_]{0,254}$'

export const EnvEntry = closed({
  key: Type.String({ pattern: environmentName, description: 'Name of the variable.' }),
  value: Type.String({ maxLength: limits.envValueChars, description: 'Value of the variable.' }),
})

export const RestartPolicy = Type.Enum(['no', 'always', 'on-failure'], { default: 'no', description: 'When the VM is started again after it ended.' })

export const TtlAction = Type.Enum(['stop', 'remove', 'pause', 'suspend'], {
  default: 'stop',
  description: 'What happens when the time to live is over; `suspend` is `pause` as long as snapshots are not supported.',
})

export const NetworkConfig = closed({
  allow_internet: Type.Optional(Type.Boolean({ default: true, description: 'Allow outbound internet access.' })),
  public_ingress: Type.Optional(Type.Boolean({ default: false, description: 'Allow inbound traffic from the public internet.' })),
})

const stringMap = (description: string) => Type.Record(Type.String({ maxLength: 255 }), Type.String({ maxLength: 4096 }), { description })

export const Workload = closed({
  cmd: Type.Array(Type.String({ maxLength: limits.cmdChars }), { minItems: 1, maxItems: limits.cmdEntries, description: 'Program and arguments.' }),
  id: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$', description: 'Identifier chosen by the caller.' })),
  name: Type.Optional(Type.String({ maxLength: limits.nameChars })),
  env: Type.Optional(
    Type.Array(Type.String({ maxLength: limits.envValueChars, pattern: '^[A-Za-z_][A-Za-z0-9_]*=' }), {
      maxItems: limits.envEntries,
      description: '`NAME=value` entries.',
    }),
  ),
  working_dir: Type.Optional(Type.String({ maxLength: 4096, pattern: '^/' })),
  user: Type.Optional(Type.String({ maxLength: 64 })),
  restart_policy: Type.Optional(Type.Enum(['never', 'on-failure', 'always'], { default: 'never' })),
  max_restarts: Type.Optional(Type.Integer({ minimum: 0, maximum: 1_000_000 })),
  restart_delay: Type.Optional(Type.Number({ minimum: 0, maximum: 86_400, description: 'Seconds.' })),
  restart_backoff: Type.Optional(Type.Boolean()),
  log_path: Type.Optional(Type.String({ maxLength: 4096, pattern: '^/' })),
  max_log_size_mb: Type.Optional(Type.Integer({ minimum: 1, maximum: 1024 })),
  log_retention_hours: Type.Optional(Type.Integer({ minimum: 1, maximum: 8760 })),
  vm_on_exit: Type.Optional(Type.Enum(['pause', 'stop', 'exit', ''])),
  labels: Type.Optional(stringMap('Labels of the caller.')),
  annotations: Type.Optional(stringMap('Annotations of the caller.')),
  enabled: Type.Optional(Type.Boolean()),
  target: Type.Optional(Type.String({ maxLength: 64 })),
})

/** A workload as a request may give it: also with an environment object, and `restart` for `restart_policy`. */
export const WorkloadInput = closed({
  ...Workload.properties,
  env: Type.Optional(
    Type.Union(
      [
        Type.Array(Type.String({ maxLength: limits.envValueChars, pattern: '^[A-Za-z_][A-Za-z0-9_]*=' }), { maxItems: limits.envEntries }),
        Type.Record(Type.String(), Type.String({ maxLength: limits.envValueChars })),
      ],
      { description: '`NAME=value` entries, or an object.' },
    ),
  ),
  restart: Type.Optional(Type.Enum(['never', 'no', 'on-failure', 'always'], { description: 'Another name of `restart_policy`.' })),
})

/** `config` as a request may give it. Aliases are folded and defaults filled in by the server's `parseConfig`. */
export const ConfigInput = closed(
  {
    cpus: Type.Optional(range(limits.cpus, 'Virtual CPUs, subject to the plan.')),
    memory_mb: Type.Optional(range(limits.memory_mb, 'Memory in MiB, subject to the plan.')),
    writable_size_mb: Type.Optional(range(limits.writable_size_mb, 'Writable disk in MiB, subject to the plan.')),
    disk_size_mb: Type.Optional(
      Type.Integer({ minimum: limits.writable_size_mb.min, maximum: limits.writable_size_mb.max, description: 'Another name of `writable_size_mb`.' }),
    ),
    ttl: Type.Optional(
      Type.Union([Type.String({ pattern: durationPattern, examples: ['30m', '1h', '7d'] }), Type.Integer({ minimum: 1, maximum: 9_999_999_999 })], {
        description: 'Time to live: `30m`, `1h`, `24h`, `7d`, or seconds. Has an effect in temporary mode only.',
      }),
    ),
    ttl_action: Type.Optional(TtlAction),
    remove_on_exit: Type.Optional(Type.Boolean({ default: false, description: 'Delete the workspace when its VM exits.' })),
    restart_policy: Type.Optional(RestartPolicy),
    max_restarts: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 1_000_000, default: 0, description: 'Restart attempts; 0 is unlimited while a policy is set.' }),
    ),
    keep_logs: Type.Optional(Type.Boolean({ default: true, description: 'Keep logs across restarts.' })),
    static_network: Type.Optional(Type.Boolean({ default: false, description: 'Keep the same internal address for life.' })),
    network_config: Type.Optional(NetworkConfig),
    allow_internet: Type.Optional(Type.Boolean({ description: 'Same as `network_config.allow_internet`.' })),
    ssh_access: Type.Optional(Type.Boolean({ default: false, description: 'Enable SSH on creation.' })),
    env: Type.Optional(
      Type.Array(Type.Union([EnvEntry, Type.String({ maxLength: limits.envValueChars + 256, pattern: '^[A-Za-z_][A-Za-z0-9_]{0,254}=' })]), {
        maxItems: limits.envEntries,
        default: [],
        description: 'Environment of the start command: `{key, value}` or `NAME=value`.',
      }),
    ),
    cmd: Type.Optional(
      Type.Union(
        [
          Type.Array(Type.String({ maxLength: limits.cmdChars }), { minItems: 1, maxItems: limits.cmdEntries }),
          Type.String({ minLength: 1, maxLength: limits.cmdChars }),
        ],
        { description: 'Start command: program and arguments, or one string for a shell.' },
      ),
    ),
    workloads: Type.Optional(Type.Array(WorkloadInput, { maxItems: limits.workloads, default: [], description: 'Workloads to start on boot.' })),
    wait_for_init: Type.Optional(Type.Boolean({ default: false, description: 'Answer only when disk, network and start command are up.' })),
    proxy_assignment_id: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 2_147_483_647, description: 'Outbound proxy, by its id in the server configuration.' }),
    ),
    idle: Type.Optional(
      Type.Union([IdleInput, Type.Null()], { description: 'When to sleep for want of activity; stored, acted on once snapshots are supported.' }),
    ),
  },
  'Configuration of a workspace.',
)
export type ConfigInput = Static<typeof ConfigInput>

/** `config` as it is stored and returned: aliases folded, defaults filled in. */
export const Config = closed({
  cpus: Type.Integer(),
  memory_mb: Type.Integer(),
  writable_size_mb: Type.Integer(),
  ttl: Type.Optional(Type.String()),
  ttl_action: TtlAction,
  remove_on_exit: Type.Boolean(),
  restart_policy: RestartPolicy,
  max_restarts: Type.Integer(),
  keep_logs: Type.Boolean(),
  static_network: Type.Boolean(),
  network_config: closed({ allow_internet: Type.Boolean(), public_ingress: Type.Boolean() }),
  ssh_access: Type.Boolean(),
  env: Type.Array(EnvEntry),
  cmd: Type.Optional(Type.Union([Type.Array(Type.String()), Type.String()])),
  workloads: Type.Array(Workload),
  wait_for_init: Type.Boolean(),
  proxy_assignment_id: Type.Optional(Type.Integer()),
  idle: Type.Optional(Type.Union([IdlePolicy, Type.Null()])),
})
export type Config = Static<typeof Config>
