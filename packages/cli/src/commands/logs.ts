/** `alcove logs`: prints a log, and with `-f` what is added to it. */
import type { LogsQuery } from '@alcove/sdk'
import { Command, Option } from 'commander'
import { addClientOptions, type Context, openWorkspaces } from '../context.ts'
import type { Credentials } from '../credentials.ts'
import { findWorkspaceId } from '../find-workspace.ts'
import { followLog } from '../follow-log.ts'
import { createLogWriter } from '../output/log-writer.ts'
import { print, printJson } from '../output/print.ts'
import { parseCount } from '../parse.ts'

interface Flags extends Partial<Credentials> {
  readonly source: NonNullable<LogsQuery['source']>
  readonly tail: number
  readonly follow?: boolean
}

/** Makes the command. */
export function logsCommand(context: Context): Command {
  const command = new Command('logs')
    .description('print the log of a workspace')
    .argument('<workspace>', 'id or name')
    .option('-f, --follow', 'go on printing what is added')
    .addOption(new Option('--source <source>', 'cmd: output of the start command; boot: console').choices(['cmd', 'boot']).default('cmd'))
    .option('--tail <n>', 'how many of the last lines', parseCount, 100)
  return addClientOptions(command).action(async (idOrName: string, flags: Flags) => {
    const workspaces = await openWorkspaces(flags, context)
    const id = await findWorkspaceId(workspaces, idOrName, context.signal)
    const look = (lines: number) => workspaces.logs(id, { source: flags.source, tail_lines: lines }, context)
    if (flags.follow) return follow(look, flags.tail, context)
    const logs = await look(flags.tail)
    if (context.isJson) return printJson({ success: true, logs, source: flags.source })
    const writer = createLogWriter({ write: print, form: process.stdout.isTTY ? 'terminal' : 'raw' })
    writer.add(logs)
    writer.end()
  })
}

/** `--json` prints one object a line: a log that is followed has no end to close a document at. */
async function follow(look: (lines: number) => Promise<string>, tail: number, context: Context): Promise<void> {
  const writer = createLogWriter({ write: print, form: context.isJson ? 'json' : process.stdout.isTTY ? 'terminal' : 'raw' })
  const warn = (message: string) => {
    if (!context.isJson) process.stderr.write(`${message}\n`)
  }
  try {
    await followLog({ look, tail, add: writer.add, warn, signal: context.signal })
  } finally {
    writer.end()
  }
}
