/** Host commands: `serve`, `key`, `config`, `doctor`, `host`. Client commands are the CLI's. */
import { Command, CommanderError } from 'commander'
import { version } from './compose.ts'
import { ConfigError, configEntries, loadConfig, type Overrides, renderConfig } from './config.ts'
import { doctor } from './doctor.ts'
import { cleanHost, createKeyCommand } from './host-commands.ts'
import { systemClock } from './lib/clock.ts'
import { AlcoveError, messageOf } from './lib/fail.ts'
import { createLogger } from './lib/log.ts'
import { serve } from './serve.ts'

const print = (text: string) => void process.stdout.write(text)
const printJson = (value: unknown) => print(`${JSON.stringify(value, undefined, 2)}\n`)

const program = new Command('alcove').description('Host commands of Alcove').version(version).showHelpAfterError().exitOverride()

/** Adds the flags that every host command has; they go before environment and file. */
function withConfig(command: Command): Command {
  return command
    .option('--data-dir <dir>', 'data directory')
    .option('--config <file>', 'YAML configuration file')
    .option('--database <url>', 'database, such as postgres://user:password@host/name')
    .option('--artifacts <file>', 'guest kernel and agent, as script/bootstrap wrote them')
}

interface Flags extends Overrides {
  readonly config?: string
}

function load({ config, ...overrides }: Flags) {
  return loadConfig({ overrides, configPath: config })
}

withConfig(program.command('serve'))
  .description('run the daemon in the foreground')
  .option('--listen <address>', 'address to listen on, HOST:PORT')
  .option('--log-level <level>', 'trace, debug, info, warn, error, fatal or silent')
  .option('--default-plan <plan>', 'plan of new accounts')
  .action(async (flags: Flags) => {
    const config = await load(flags)
    await serve(config, systemClock, createLogger(config.logLevel))
  })

const key = program.command('key').description('API keys')
withConfig(key.command('create'))
  .description('make an API key; works while the daemon runs')
  .option('--account <name>', 'account that owns the key; made if it is new', 'default')
  .option('--plan <plan>', 'plan of the account')
  .option('--json', 'print JSON')
  .action(async ({ account, plan, json, ...flags }: Flags & { account: string; plan?: string; json?: boolean }) => {
    const credentials = await createKeyCommand(await load(flags), { account, plan })
    if (json) printJson(credentials)
    else print(`account  ${credentials.accountId}\nid       ${credentials.clientId}\nsecret   ${credentials.clientSecret}\n\nThe secret is not shown again.\n`)
  })

const configuration = program.command('config').description('configuration')
withConfig(configuration.command('show'))
  .description('print every value and where it came from')
  .option('--listen <address>', 'address to listen on, HOST:PORT')
  .option('--log-level <level>', 'log level')
  .option('--default-plan <plan>', 'plan of new accounts')
  .option('--json', 'print JSON')
  .action(async ({ json, ...flags }: Flags & { json?: boolean }) => {
    const config = await load(flags)
    if (json) printJson(configEntries(config))
    else print(renderConfig(config))
  })

withConfig(program.command('doctor'))
  .description('check what this host needs, and say how to mend it')
  .option('--json', 'print JSON')
  .action(async ({ json, ...flags }: Flags & { json?: boolean }) => {
    const report = await doctor(await load(flags))
    if (json) printJson(report)
    else for (const { ok, name, found, fix } of report.checks) print(`${ok ? 'ok  ' : 'FAIL'}  ${name}: ${found}${fix ? `\n      fix: ${fix}` : ''}\n`)
    process.exitCode = report.ok ? 0 : 1
  })

const host = program.command('host').description('what this installation keeps on the host')
withConfig(host.command('clean'))
  .description('remove the network of this installation from the host; needs the daemon to be stopped')
  .action(async (flags: Flags) => {
    await cleanHost(await load(flags))
  })

try {
  await program.parseAsync()
} catch (error) {
  // Commander has said what was wrong.
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : 2)
  const code = error instanceof AlcoveError ? ` (${error.code})` : ''
  process.stderr.write(`alcove: ${messageOf(error)}${code}\n`)
  const isUsage = error instanceof ConfigError || (error instanceof AlcoveError && error.code === 'validation_error')
  process.exit(isUsage ? 2 : 1)
}
