/** The options of `create` and `update` that make up the `config` of a workspace. */
import type { WorkspaceConfig } from '@alcove/sdk'
import { type Command, Option } from 'commander'
import { usageError } from '../exit-codes.ts'
import { collectEnv, parseCount, parseSize } from '../parse.ts'

/** Values of the options, as the parser leaves them; what was not given is absent. */
export interface ConfigFlags {
  readonly cpus?: number
  readonly memory?: number
  readonly disk?: number
  readonly env?: { key: string; value: string }[]
  readonly ttl?: string
  readonly ttlAction?: WorkspaceConfig['ttl_action']
  readonly restartPolicy?: WorkspaceConfig['restart_policy']
  readonly maxRestarts?: number
  readonly removeOnExit?: boolean
  readonly keepLogs?: boolean
  readonly staticIp?: boolean
  readonly internet?: boolean
  readonly publicIngress?: boolean
  readonly ssh?: boolean
  readonly waitForInit?: boolean
  readonly proxy?: number
}

/** Adds the options. Each switch has a `--no-` form, and neither means: leave it to the server. */
export function addConfigOptions(command: Command): Command {
  command
    .option('--cpus <n>', 'virtual CPUs', parseCount)
    .option('--memory <size>', 'memory: 512, 512m, 2g', parseSize)
    .option('--disk <size>', 'writable disk: 512, 512m, 2g', parseSize)
    .option('-e, --env <NAME=value>', 'environment variable; repeat for more', collectEnv)
    .option('--ttl <duration>', 'time to live of a temporary workspace: 30m, 1h, 7d')
    .option('--ttl-action <action>', 'what happens then: stop, remove, pause, suspend')
    .option('--restart-policy <policy>', 'no, always, on-failure')
    .option('--max-restarts <n>', 'restart attempts, 0 for no limit', parseCount)
    .option('--proxy <id>', 'outbound proxy, by its id in the server configuration', parseCount)
  for (const [name, what] of Object.entries(switches)) {
    command.addOption(new Option(`--${name}`, `${what}; --no-${name} for the opposite`)).addOption(new Option(`--no-${name}`).hideHelp())
  }
  return command
}

const switches = {
  internet: 'outbound internet access',
  'static-ip': 'the same internal address for life',
  'public-ingress': 'inbound traffic from the public internet',
  ssh: 'SSH',
  'remove-on-exit': 'delete when the VM exits',
  'keep-logs': 'keep logs across restarts',
  'wait-for-init': 'answer only when disk, network and start command are up',
}

/** Makes the `config` of a request; undefined when no option and no start command was given. */
export function readConfig(flags: ConfigFlags, cmd: readonly string[]): WorkspaceConfig | undefined {
  const network = { allow_internet: flags.internet, public_ingress: flags.publicIngress }
  const config = withoutUndefined({
    cpus: flags.cpus,
    memory_mb: flags.memory,
    writable_size_mb: flags.disk,
    env: flags.env,
    ttl: flags.ttl,
    ttl_action: flags.ttlAction,
    restart_policy: flags.restartPolicy,
    max_restarts: flags.maxRestarts,
    remove_on_exit: flags.removeOnExit,
    keep_logs: flags.keepLogs,
    static_network: flags.staticIp,
    network_config: withoutUndefined(network),
    ssh_access: flags.ssh,
    wait_for_init: flags.waitForInit,
    proxy_assignment_id: flags.proxy,
    cmd: cmd.length > 0 ? [...cmd] : undefined,
  })
  return config as WorkspaceConfig | undefined
}

/**
 * The start command: what stands behind `--`. Without the dashes it is refused, as `create node-20` is not meant as a program.
 * @param operands What the parser took for the start command. @throws CliError
 */
export function readStartCommand(command: Command, operands: readonly string[]): readonly string[] {
  const args = rootOf(command).rawArgs
  const dashes = args.indexOf('--')
  const behind = dashes === -1 ? 0 : args.length - dashes - 1
  if (operands.length > behind) throw usageError(`unexpected argument ${operands[0]}; the start command stands behind --`)
  return operands
}

function withoutUndefined(fields: Record<string, unknown>): Record<string, unknown> | undefined {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined)
  return given.length > 0 ? Object.fromEntries(given) : undefined
}

/** The typings leave `rawArgs` out. @see commander, `lib/command.js` */
function rootOf(command: Command): { readonly rawArgs: readonly string[] } {
  let root = command
  while (root.parent) root = root.parent
  return root as Command & { readonly rawArgs: readonly string[] }
}
