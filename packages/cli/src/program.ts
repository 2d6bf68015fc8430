/** The list of client commands, and the help that also names those of the server. */
import { createRequire } from 'node:module'
import { Command } from 'commander'
import { createCommand } from './commands/create.ts'
import { detailsCommand } from './commands/details.ts'
import { getCommand } from './commands/get.ts'
import { imagesCommand } from './commands/images.ts'
import { loginCommand } from './commands/login.ts'
import { logsCommand } from './commands/logs.ts'
import { lsCommand } from './commands/ls.ts'
import { powerCommands } from './commands/power.ts'
import { quotaCommand } from './commands/quota.ts'
import { rmCommand } from './commands/rm.ts'
import { updateCommand } from './commands/update.ts'
import type { Context } from './context.ts'

/** Makes the parser. Its parse rejects with a CommanderError instead of ending the process. */
export function createProgram(context: Context): Command {
  const program = new Command('alcove')
    .description('Workspaces: isolated micro-VMs with their own kernel, disk, network and limits.')
    .usage('COMMAND [OPTIONS]')
    .version(version, '-V, --version', 'print the version')
    .commandsGroup('Workspaces:')
    .helpCommand(false)
    .showSuggestionAfterError()
    .addHelpText('after', serverCommands)
  const commands = [
    lsCommand,
    createCommand,
    getCommand,
    detailsCommand,
    updateCommand,
    rmCommand,
    ...powerCommands,
    logsCommand,
    quotaCommand,
    imagesCommand,
    loginCommand,
  ]
  for (const make of commands) program.addCommand(make(context))
  for (const command of [program, ...program.commands]) {
    // What went wrong is printed by `run`, in the form that was asked for.
    command.exitOverride().configureOutput({ writeErr() {} })
  }
  return program
}

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
