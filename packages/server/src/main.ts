/**
 * Host commands: `serve`, `key`, `config`, `doctor`, `host`. Client commands are the CLI's. What a command does is loaded with the command: a
 * supervisor stays small, and is there before what it watches over.
 */
import { Command, CommanderError } from 'commander'
import { ConfigError, configEntries, loadConfig, type Overrides, renderConfig } from './config.ts'
import { exitCodes } from './exit-codes.ts'
import { systemClock } from './lib/clock.ts'
import { AlcoveError, messageOf } from './lib/fail.ts'
import { createLogger } from './lib/log.ts'
import { supervise } from './supervise.ts'
import { version } from './version.ts'

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

/** The command line of this process without the supervisor. */
function withoutSupervisor(): [string, ...string[]] {
  return [process.execPath, ...process.execArgv, ...process.argv.slice(1).filter((word) => word !== '--supervise')]
}

function load({ config, ...overrides }: Flags) {
  return loadConfig({ overrides, configPath: config })
}

const serveHelp = `
Ends in order on SIGTERM and SIGINT; virtual machines go on. Exit codes: 0 in order, 1 failed, 2 a mistake in the configuration, 3 another
daemon serves the data directory. With --supervise 1 and any other end lead to a restart: at once, then with pauses that double up to 10 s.`

withConfig(program.command('serve'))
  .description('run the daemon in the foreground')
  .option('--listen <address>', 'address to listen on, HOST:PORT')
  .option('--log-level <level>', 'trace, debug, info, warn, error, fatal or silent')
  .option('--default-plan <plan>', 'plan of new accounts')
  .option('--supervise', 'run it as a child and start it again when it ends by itself or stands still for 10 s; not needed where systemd does that')
  .addHelpText('after', serveHelp)
  .action(async ({ supervise: isSupervisor, ...flags }: Flags & { supervise?: boolean }) => {
    if (isSupervisor) process.exit(await supervise(withoutSupervisor(), systemClock, createLogger('info')))
    const { serve } = await import('./serve.ts')
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
    const { createKeyCommand } = await import('./host-commands.ts')
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
  .description('check what this host needs, and say how to mend it; with --audit, whether host and database agree')
  .option('--audit', 'compare processes, network, files and limits on the host with the database instead; changes nothing')
  .option('--settled', 'with --audit: nobody uses the daemon, so whatever is under way is told, too')
  .option('--json', 'print JSON')
  .action(async ({ json, audit: isAudit, settled, ...flags }: Flags & { json?: boolean; audit?: boolean; settled?: boolean }) => {
    const { audit, doctor } = await import('./doctor.ts')
    if (isAudit) {
      const { renderCensus } = await import('./audit/render.ts')
      const report = await audit(await load(flags), settled ?? false)
      if (json) printJson(report)
      else print(renderCensus(report))
      process.exitCode = report.verdict === 'clean' ? 0 : 1
      return
    }
    const report = await doctor(await load(flags))
    if (json) printJson(report)
    else for (const { ok, name, found, fix } of report.checks) print(`${ok ? 'ok  ' : 'FAIL'}  ${name}: ${found}${fix ? `\n      fix: ${fix}` : ''}\n`)
    process.exitCode = report.ok ? 0 : 1
  })

const host = program.command('host').description('what this installation keeps on the host')
withConfig(host.command('clean'))
  .description('remove the network of this installation from the host; needs the daemon to be stopped')
  .action(async (flags: Flags) => {
    const { cleanHost } = await import('./host-commands.ts')
    await cleanHost(await load(flags))
  })

try {
  await program.parseAsync()
} catch (error) {
  // Commander has said what was wrong.
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : exitCodes.usage)
  const code = error instanceof AlcoveError ? ` (${error.code})` : ''
  process.stderr.write(`alcove: ${messageOf(error)}${code}\n`)
  process.exit(exitCodeOf(error))
}

function exitCodeOf(error: unknown): number {
  if (error instanceof ConfigError) return exitCodes.usage
  if (!(error instanceof AlcoveError)) return exitCodes.failed
  if (error.details?.locked !== undefined) return exitCodes.locked
  return error.code === 'validation_error' ? exitCodes.usage : exitCodes.failed
}
