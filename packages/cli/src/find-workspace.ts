/** From what a person types to the id of a workspace. */
import type { Workspaces } from '@alcove/sdk'
import { CliError, exitCodes, usageError } from './exit-codes.ts'

/**
 * Finds the id of a workspace by its id or its exact name. What begins with `ws_` is an id; anything else is looked for in the list.
 * @throws CliError when no workspace, or more than one, has the name.
 */
export async function findWorkspaceId(workspaces: Workspaces, idOrName: string, signal: AbortSignal): Promise<string> {
  if (idOrName.startsWith('ws_')) return idOrName
  const ids: string[] = []
  for await (const workspace of workspaces.listAll({}, { signal })) {
    if (workspace.name === idOrName) ids.push(workspace.id)
  }
  const [id] = ids
  if (id === undefined) throw new CliError('not_found', `no workspace has the id or name ${idOrName}`, exitCodes.notFound)
  if (ids.length > 1) throw usageError(`${ids.length} workspaces are called ${idOrName}; give an id: ${ids.join(' ')}`)
  return id
}
