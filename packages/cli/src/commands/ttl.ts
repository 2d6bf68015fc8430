/** `alcove ttl`: changes the time to live of a workspace. */
import type { TtlRequest } from '@alcove/sdk'
import { Command } from 'commander'
import { addChangeOptions, type ChangeFlags, changeOptions } from '../change-options.ts'
import { addClientOptions, type Context, openWorkspaces } from '../context.ts'
import type { Credentials } from '../credentials.ts'
import { findWorkspaceId } from '../find-workspace.ts'
import { renderLife } from '../output/lifecycle.ts'
import { print, printJson } from '../output/print.ts'
import { parseDurationOr } from '../parse.ts'

interface Flags extends ChangeFlags, Partial<Credentials> {
  readonly action?: NonNullable<TtlRequest['ttl_action']>
}

/** Makes the command. */
export function ttlCommand(context: Context): Command {
  const command = new Command('ttl')
    .description('change the time to live of a workspace and begin it anew')
    .argument('<workspace>', 'id or name')
    .argument('<duration>', '30m, 1h, 7d, or none', parseDurationOr('none'))
    .option('--action <action>', 'what happens then: stop, remove, pause, suspend')
  return addClientOptions(addChangeOptions(command)).action(async (idOrName: string, ttl: string | null, flags: Flags) => {
    const workspaces = await openWorkspaces(flags, context)
    const id = await findWorkspaceId(workspaces, idOrName, context.signal)
    const request = { ttl, ...(flags.action === undefined ? {} : { ttl_action: flags.action }) }
    const workspace = await workspaces.lifecycle.setTtl(id, request, changeOptions(flags, context))
    if (context.isJson) printJson({ success: true, workspace })
    else print(renderLife(workspace))
  })
}
