/** `alcove ls`: lists workspaces. */
import type { ListQuery, Workspace, Workspaces } from '@alcove/sdk'
import { Command } from 'commander'
import { addClientOptions, type Context, openWorkspaces } from '../context.ts'
import type { Credentials } from '../credentials.ts'
import { outputWidth, print, printJson } from '../output/print.ts'
import { renderTable } from '../output/table.ts'
import { workspaceColumns } from '../output/workspace.ts'
import { parseCount } from '../parse.ts'

interface Flags extends Partial<Credentials>, Pick<ListQuery, 'page' | 'limit' | 'mode' | 'status' | 'namespace'> {
  readonly quiet?: boolean
}

/** Makes the command. */
export function lsCommand(context: Context): Command {
  const command = new Command('ls')
    .alias('list')
    .description('list workspaces, newest first')
    .option('--mode <mode>', 'only permanent or only temporary ones')
    .option('--status <status>', 'only those in this state')
    .option('--namespace <namespace>', 'only those in this namespace')
    .option('--page <n>', 'only this page', parseCount)
    .option('--limit <n>', 'workspaces on a page, at most 100', parseCount)
    .option('-q, --quiet', 'print ids only')
  return addClientOptions(command).action(async (flags: Flags) => {
    const workspaces = await openWorkspaces(flags, context)
    const answer = await list(workspaces, flags, context.signal)
    if (context.isJson) printJson(answer)
    else if (flags.quiet) print(answer.workspaces.map(({ id }) => `${id}\n`).join(''))
    else print(renderTable(workspaceColumns, answer.workspaces, outputWidth()))
  })
}

/** One page when a page or its size was asked for, else all of them. */
async function list(workspaces: Workspaces, flags: Flags, signal: AbortSignal): Promise<{ success: true; workspaces: Workspace[]; total: number }> {
  const { page, limit, mode, status, namespace } = flags
  const filter = { ...(mode ? { mode } : {}), ...(status ? { status } : {}), ...(namespace ? { namespace } : {}) }
  if (page !== undefined || limit !== undefined) {
    return workspaces.list({ ...filter, ...(page === undefined ? {} : { page }), ...(limit === undefined ? {} : { limit }) }, { signal })
  }
  const all: Workspace[] = []
  for await (const workspace of workspaces.listAll(filter, { signal })) all.push(workspace)
  return { success: true, workspaces: all, total: all.length }
}
