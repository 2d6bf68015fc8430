/** `alcove start`, `stop`, `restart`, `pause`, `resume` and `retry`: one shape, six verbs. */
import type { ChangeOptions, Workspace, Workspaces } from '@alcove/sdk'
import { Command } from 'commander'
import { addChangeOptions, type ChangeFlags, changeOptions } from '../change-options.ts'
import { addClientOptions, type Context, openWorkspaces } from '../context.ts'
import type { Credentials } from '../credentials.ts'
import { findWorkspaceId } from '../find-workspace.ts'
import { print, printJson } from '../output/print.ts'
import { startProgress } from '../output/progress.ts'
import { escapeText } from '../output/text.ts'

interface Flags extends ChangeFlags, Partial<Credentials> {
  readonly force?: boolean
}

interface Verb {
  readonly name: string
  readonly doing: string
  readonly description: string
  readonly isForceable?: true
  call(workspaces: Workspaces, id: string, options: ChangeOptions, flags: Flags): Promise<Workspace>
}

const verbs: readonly Verb[] = [
  {
    name: 'start',
    doing: 'starting',
    description: 'start the VM of a workspace',
    isForceable: true,
    call: (workspaces, id, options, flags) => workspaces.start(id, flags.force ? { force: true } : undefined, options),
  },
  {
    name: 'stop',
    doing: 'stopping',
    description: 'stop the VM of a workspace; its disk is kept',
    call: (workspaces, id, options) => workspaces.stop(id, options),
  },
  {
    name: 'restart',
    doing: 'restarting',
    description: 'stop and start the VM of a workspace',
    call: (workspaces, id, options) => workspaces.restart(id, options),
  },
  {
    name: 'pause',
    doing: 'pausing',
    description: 'freeze the VM of a workspace; its memory is kept',
    call: (workspaces, id, options) => workspaces.pause(id, options),
  },
  {
    name: 'resume',
    doing: 'resuming',
    description: 'let a paused VM go on',
    call: (workspaces, id, options) => workspaces.resume(id, options),
  },
  {
    name: 'retry',
    doing: 'making again',
    description: 'do a first boot that failed again',
    call: (workspaces, id, options) => workspaces.retryCreation(id, options),
  },
]

/** Makers of the commands. */
export const powerCommands = verbs.map((verb) => (context: Context) => {
  const command = new Command(verb.name).description(verb.description).argument('<workspace>', 'id or name')
  if (verb.isForceable) command.option('--force', 'start anew even if it is thought to run')
  return addClientOptions(addChangeOptions(command)).action(async (idOrName: string, flags: Flags) => {
    const workspaces = await openWorkspaces(flags, context)
    const progress = startProgress(context, `${verb.doing} ${idOrName}`)
    const act = async () => verb.call(workspaces, await findWorkspaceId(workspaces, idOrName, context.signal), changeOptions(flags, context), flags)
    const workspace = await act().finally(progress.end)
    if (context.isJson) printJson({ success: true, workspace })
    else print(`${escapeText(`${workspace.id} ${workspace.info.status} ${workspace.ip}`).trimEnd()}\n`)
  })
})
