/** `alcove operations` and `operation`: show what was done with a workspace, and how it went. */
import { Command } from 'commander'
import { addClientOptions, type Context, openClient } from '../context.ts'
import type { Credentials } from '../credentials.ts'
import { findWorkspaceId } from '../find-workspace.ts'
import { operationColumns, renderOperation } from '../output/history.ts'
import { outputWidth, print, printJson } from '../output/print.ts'
import { renderTable } from '../output/table.ts'
import { escapeText } from '../output/text.ts'
import { parseCount } from '../parse.ts'

interface Flags extends Partial<Credentials> {
  readonly limit: number
  readonly after?: string
}

/** Makes `operations`. */
export function operationsCommand(context: Context): Command {
  const command = new Command('operations')
    .description('list what was done with a workspace, newest first')
    .argument('<workspace>', 'id or name; only the id of a deleted one')
    .option('--limit <n>', 'how many, at most 100', parseCount, 50)
    .option('--after <operation>', 'those before this one in time')
  return addClientOptions(command).action(async (idOrName: string, flags: Flags) => {
    const { workspaces } = await openClient(flags, context)
    const id = await findWorkspaceId(workspaces, idOrName, context.signal)
    const query = { limit: flags.limit, ...(flags.after === undefined ? {} : { after: flags.after }) }
    const answer = await workspaces.operations(id, query, context)
    if (context.isJson) return printJson(answer)
    print(renderTable(operationColumns, answer.operations, outputWidth()))
    if (answer.next !== null) process.stderr.write(`${escapeText(`for more: alcove operations ${id} --after ${answer.next}`)}\n`)
  })
}

/** Makes `operation`. */
export function operationCommand(context: Context): Command {
  const command = new Command('operation').description('show an operation and its steps').argument('<operation>', 'id, such as op_k3v7q2mzt5ab')
  return addClientOptions(command).action(async (id: string, flags: Partial<Credentials>) => {
    const operation = await (await openClient(flags, context)).operations.get(id, context)
    if (context.isJson) printJson({ success: true, operation })
    else print(renderOperation(operation))
  })
}
