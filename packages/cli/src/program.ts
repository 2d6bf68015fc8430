/** The list of client commands, and the help that also names those of the server. */
import { createRequire } from 'node:module'
import { Command } from 'commander'
import { createCommand } from './commands/create.ts'
import { detailsCommand } from './commands/details.ts'
import { estimateCommand } from './commands/estimate.ts'
import { eventsCommand } from './commands/events.ts'
import { getCommand } from './commands/get.ts'
import { idleCommand } from './commands/idle.ts'
import { imagesCommand } from './commands/images.ts'
import { lifecycleCommand } from './commands/lifecycle.ts'
import { loginCommand } from './commands/login.ts'
import { logsCommand } from './commands/logs.ts'
import { lsCommand } from './commands/ls.ts'
import { metadataCommand } from './commands/metadata.ts'
import { permanentCommand, temporaryCommand } from './commands/mode.ts'
import { operationCommand, operationsCommand } from './commands/operations.ts'
import { pingCommand } from './commands/ping.ts'
import { powerCommands } from './commands/power.ts'
import { quotaCommand } from './commands/quota.ts'
import { resourcesCommand } from './commands/resources.ts'
import { rmCommand } from './commands/rm.ts'
import { ttlCommand } from './commands/ttl.ts'
import { updateCommand } from './commands/update.ts'
import type { Context } from './context.ts'

/** Makes the parser. Its parse rejects with a CommanderError instead of ending the process. */
export function createProgram(context: Context): Command {
  const program = new Command('alcove')
    .description('Workspaces: isolated micro-VMs with their own kernel, disk, network and limits.')
    .usage('COMMAND [OPTIONS]')
    .version(version, '-V, --version', 'print the version')
    .helpCommand(false)
    .showSuggestionAfterError()
    .addHelpText('after', serverCommands)
  for (const [heading, makers] of groups) {
    program.commandsGroup(heading)
    for (const make of makers) program.addCommand(make(context))
  }
  for (const command of [program, ...program.commands]) {
    // What went wrong is printed by `run`, in the form that was asked for.
    command.exitOverride().configureOutput({ writeErr() {} })
  }
  return program
}

const groups: readonly (readonly [heading: string, makers: readonly ((context: Context) => Command)[]])[] = [
  ['Workspaces:', [lsCommand, createCommand, getCommand, detailsCommand, updateCommand, rmCommand]],
  ['Power:', powerCommands],
  ['Lifecycle:', [lifecycleCommand, permanentCommand, temporaryCommand, ttlCommand, pingCommand, idleCommand]],
  ['Settings:', [resourcesCommand, metadataCommand]],
  ['History:', [logsCommand, eventsCommand, operationsCommand, operationCommand]],
  ['Account:', [quotaCommand, estimateCommand, imagesCommand, loginCommand]],
]

const { version } = createRequire(import.meta.url)('../package.json') as { version: string }

const serverCommands = `
Server commands, run on the machine that hosts the VMs:
  serve                     run the daemon in the foreground
  key create                make an API key
  config show               print every setting and where it came from
  host clean                remove the network of an installation from the host
  doctor                    check each requirement and print the fix

Credentials: flags, else ALCOVE_URL, ALCOVE_CLIENT_ID and ALCOVE_CLIENT_SECRET, else
the file named by ALCOVE_CREDENTIALS or ~/.config/alcove/credentials.json.
`
