/** `alcove get`: shows a workspace. */
import { Command } from 'commander'
import { addClientOptions, type Context, openWorkspaces } from '../context.ts'
import type { Credentials } from '../credentials.ts'
import { findWorkspaceId } from '../find-workspace.ts'
import { print, printJson } from '../output/print.ts'
import { renderWorkspace } from '../output/workspace.ts'

/** Makes the command. */
export function getCommand(context: Context): Command {
  const command = new Command('get').description('show a workspace').argument('<workspace>', 'id or name')
  return addClientOptions(command).action(async (idOrName: string, flags: Partial<Credentials>) => {
    const workspaces = await openWorkspaces(flags, context)
    const workspace = await workspaces.get(await findWorkspaceId(workspaces, idOrName, context.signal), context)
    if (context.isJson) printJson({ success: true, workspace })
    else print(renderWorkspace(workspace))
  })
}
