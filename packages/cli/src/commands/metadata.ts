/** `alcove metadata`: shows or changes what the owner of a workspace noted about it. */
import { Command } from 'commander'
import { addChangeOptions, type ChangeFlags, changeOptions } from '../change-options.ts'
import { addClientOptions, type Context, openWorkspaces } from '../context.ts'
import type { Credentials } from '../credentials.ts'
import { findWorkspaceId } from '../find-workspace.ts'
import { outputWidth, print, printJson } from '../output/print.ts'
import { type Column, renderTable } from '../output/table.ts'
import { collectMetadata } from '../parse.ts'

/** Makes the command. */
export function metadataCommand(context: Context): Command {
  const command = new Command('metadata')
    .description('show the metadata of a workspace, or change it')
    .usage('WORKSPACE [KEY=VALUE... KEY=] [OPTIONS]')
    .argument('<workspace>', 'id or name')
    .argument('[entries...]', 'KEY=VALUE sets a key, KEY= removes it', collectMetadata)
  return addClientOptions(addChangeOptions(command)).action(
    async (idOrName: string, entries: Entries | undefined, flags: ChangeFlags & Partial<Credentials>) => {
      const workspaces = await openWorkspaces(flags, context)
      const id = await findWorkspaceId(workspaces, idOrName, context.signal)
      const metadata = hasEntries(entries)
        ? await workspaces.metadata.set(id, entries, changeOptions(flags, context))
        : await workspaces.metadata.get(id, context)
      if (context.isJson) printJson({ success: true, metadata })
      else print(renderTable(columns, Object.entries(metadata), outputWidth()))
    },
  )
}

type Entries = Record<string, string | null>

/** Without any, the parser leaves an empty list. */
function hasEntries(entries: Entries | undefined): entries is Entries {
  return entries !== undefined && Object.keys(entries).length > 0
}

const columns: readonly Column<[key: string, value: string]>[] = [
  { title: 'KEY', value: ([key]) => key },
  { title: 'VALUE', value: ([, value]) => value, shrinkTo: 12 },
]
