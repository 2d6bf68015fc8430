/** `alcove ping`: begins the time to live of a workspace anew. */
import { Command } from 'commander'
import { addChangeOptions, type ChangeFlags, changeOptions } from '../change-options.ts'
import { addClientOptions, type Context, openWorkspaces } from '../context.ts'
import type { Credentials } from '../credentials.ts'
import { findWorkspaceId } from '../find-workspace.ts'
import { print, printJson } from '../output/print.ts'
import { escapeText } from '../output/text.ts'
import { parseSeconds } from '../parse.ts'

interface Flags extends ChangeFlags, Partial<Credentials> {
  readonly ttl?: number
}

/** Makes the command. */
export function pingCommand(context: Context): Command {
  const command = new Command('ping')
    .description('begin the time to live of a workspace anew')
    .argument('<workspace>', 'id or name')
    .option('--ttl <duration>', 'another time to live: 30m, 1h, 7d', parseSeconds)
  return addClientOptions(addChangeOptions(command)).action(async (idOrName: string, flags: Flags) => {
    const workspaces = await openWorkspaces(flags, context)
    const id = await findWorkspaceId(workspaces, idOrName, context.signal)
    const answer = await workspaces.ping(id, flags.ttl === undefined ? undefined : { ttl_seconds: flags.ttl }, changeOptions(flags, context))
    if (context.isJson) printJson(answer)
    else print(`${escapeText(answer.expires_at === null ? `${id} does not expire` : `${id} expires ${answer.expires_at}`)}\n`)
  })
}
