/** `alcove resources`: shows or changes CPUs, memory and disk of a workspace. */
import type { ResourcesAnswer, ResourcesChangedAnswer, ResourcesRequest } from '@alcove/sdk'
import { Command } from 'commander'
import { addChangeOptions, type ChangeFlags, changeOptions } from '../change-options.ts'
import { addClientOptions, type Context, openWorkspaces } from '../context.ts'
import type { Credentials } from '../credentials.ts'
import { findWorkspaceId } from '../find-workspace.ts'
import { print, printJson } from '../output/print.ts'
import { startProgress } from '../output/progress.ts'
import { renderFields } from '../output/table.ts'
import { renderMib } from '../output/workspace.ts'
import { parseCount, parseSize } from '../parse.ts'

interface Flags extends ChangeFlags, Partial<Credentials> {
  readonly cpus?: number
  readonly memory?: number
  readonly disk?: number
  readonly apply?: boolean
}

/** Makes the command. */
export function resourcesCommand(context: Context): Command {
  const command = new Command('resources')
    .description('show CPUs, memory and disk of a workspace, or change them')
    .argument('<workspace>', 'id or name')
    .option('--cpus <n>', 'virtual CPUs', parseCount)
    .option('--memory <size>', 'memory: 512, 512m, 2g', parseSize)
    .option('--disk <size>', 'writable disk, which never shrinks: 512, 512m, 2g', parseSize)
    .option('--apply', 'restart a running VM with them now, instead of at the next start')
  return addClientOptions(addChangeOptions(command)).action(async (idOrName: string, flags: Flags) => {
    const workspaces = await openWorkspaces(flags, context)
    const id = await findWorkspaceId(workspaces, idOrName, context.signal)
    const request = readRequest(flags)
    if (Object.keys(request).length === 0) {
      const answer = await workspaces.resources.get(id, context)
      return context.isJson ? printJson(answer) : print(render(answer))
    }
    const progress = startProgress(context, `changing ${idOrName}`)
    const changed = await workspaces.resources.update(id, request, changeOptions(flags, context)).finally(progress.end)
    if (context.isJson) printJson(changed)
    else print(renderChanged(changed))
  })
}

function readRequest({ cpus, memory, disk, apply }: Flags): ResourcesRequest {
  return {
    ...(cpus === undefined ? {} : { cpus }),
    ...(memory === undefined ? {} : { memory_mb: memory }),
    ...(disk === undefined ? {} : { writable_size_mb: disk }),
    ...(apply === undefined ? {} : { apply }),
  }
}

function render({ resources }: ResourcesAnswer): string {
  const { cpus, memory_mb: memory, writable_size_mb: disk, status, restart_required: waits } = resources
  return renderFields([
    ['cpus', cpus],
    ['memory', renderMib(memory)],
    ['disk', renderMib(disk)],
    ['status', waits ? `${status} (changed settings wait for the next start)` : status],
  ])
}

function renderChanged({ updated: { cpus, memory_mb: memory, writable_size_mb: disk }, relaunched }: ResourcesChangedAnswer): string {
  return renderFields([
    ['cpus', cpus],
    ['memory', memory === undefined ? undefined : renderMib(memory)],
    ['disk', disk === undefined ? undefined : renderMib(disk)],
    ['restarted', relaunched ? 'yes' : 'no'],
  ])
}
