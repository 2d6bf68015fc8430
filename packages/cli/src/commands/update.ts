/** `alcove update`: changes name or config of a workspace. */
import { Command } from 'commander'
import { addChangeOptions, type ChangeFlags, changeOptions } from '../change-options.ts'
import { addClientOptions, type Context, openWorkspaces } from '../context.ts'
import type { Credentials } from '../credentials.ts'
import { usageError } from '../exit-codes.ts'
import { findWorkspaceId } from '../find-workspace.ts'
import { print, printJson } from '../output/print.ts'
import { renderWorkspace } from '../output/workspace.ts'
import { addConfigOptions, type ConfigFlags, readConfig, readStartCommand } from './config-options.ts'

interface Flags extends ConfigFlags, ChangeFlags, Partial<Credentials> {
  readonly name?: string
}

/** Makes the command. */
export function updateCommand(context: Context): Command {
  const command = new Command('update')
    .description('change name or config; what needs a restart waits for the next start')
    .usage('WORKSPACE [OPTIONS] [-- CMD ARGS...]')
    .argument('<workspace>', 'id or name')
    .argument('[cmd...]', 'start command and its arguments, behind --')
    .option('-n, --name <name>', 'new display name')
  addChangeOptions(addConfigOptions(addClientOptions(command)))
  return command.action(async (idOrName: string, cmd: string[], flags: Flags) => {
    const config = readConfig(flags, readStartCommand(command, cmd))
    const request = { ...(flags.name === undefined ? {} : { name: flags.name }), ...(config === undefined ? {} : { config }) }
    if (Object.keys(request).length === 0) throw usageError('nothing to change; give --name or an option of the config')
    const workspaces = await openWorkspaces(flags, context)
    const workspace = await workspaces.update(await findWorkspaceId(workspaces, idOrName, context.signal), request, changeOptions(flags, context))
    if (context.isJson) printJson({ success: true, workspace })
    else print(renderWorkspace(workspace))
  })
}
