/** `alcove permanent` and `temporary`: whether a workspace lives until it is deleted, or for a time. */
import type { PermanentRequest, TemporaryRequest } from '@alcove/sdk'
import { Command, Option } from 'commander'
import { addChangeOptions, type ChangeFlags, changeOptions } from '../change-options.ts'
import { addClientOptions, type Context, openWorkspaces } from '../context.ts'
import type { Credentials } from '../credentials.ts'
import { findWorkspaceId } from '../find-workspace.ts'
import { renderLife } from '../output/lifecycle.ts'
import { print, printJson } from '../output/print.ts'
import { parseDurationOr } from '../parse.ts'

interface PermanentFlags extends ChangeFlags, Partial<Credentials> {
  readonly restartPolicy?: NonNullable<PermanentRequest['restart_policy']>
}

interface TemporaryFlags extends ChangeFlags, Partial<Credentials> {
  readonly ttl?: string | null
  readonly ttlAction?: NonNullable<TemporaryRequest['ttl_action']>
  readonly removeOnExit?: boolean
}

/** Makes `permanent`. */
export function permanentCommand(context: Context): Command {
  const command = new Command('permanent')
    .description('let a workspace live until it is deleted')
    .argument('<workspace>', 'id or name')
    .option('--restart-policy <policy>', 'no, always, on-failure')
  return addClientOptions(addChangeOptions(command)).action(async (idOrName: string, flags: PermanentFlags) => {
    const workspaces = await openWorkspaces(flags, context)
    const id = await findWorkspaceId(workspaces, idOrName, context.signal)
    const request = flags.restartPolicy === undefined ? {} : { restart_policy: flags.restartPolicy }
    const workspace = await workspaces.lifecycle.makePermanent(id, request, changeOptions(flags, context))
    if (context.isJson) printJson({ success: true, workspace })
    else print(renderLife(workspace))
  })
}

/** Makes `temporary`. */
export function temporaryCommand(context: Context): Command {
  const command = new Command('temporary')
    .description('let a workspace live for a time')
    .argument('<workspace>', 'id or name')
    .option('--ttl <duration>', 'time to live: 30m, 1h, 7d, or none', parseDurationOr('none'))
    .option('--ttl-action <action>', 'what happens then: stop, remove, pause, suspend')
    .option('--remove-on-exit', 'delete when the VM exits; --no-remove-on-exit for the opposite')
    .addOption(new Option('--no-remove-on-exit').hideHelp())
  return addClientOptions(addChangeOptions(command)).action(async (idOrName: string, flags: TemporaryFlags) => {
    const workspaces = await openWorkspaces(flags, context)
    const id = await findWorkspaceId(workspaces, idOrName, context.signal)
    const workspace = await workspaces.lifecycle.makeTemporary(id, readRequest(flags), changeOptions(flags, context))
    if (context.isJson) printJson({ success: true, workspace })
    else print(renderLife(workspace))
  })
}

function readRequest({ ttl, ttlAction, removeOnExit }: TemporaryFlags): TemporaryRequest {
  return {
    ...(ttl === undefined ? {} : { ttl }),
    ...(ttlAction === undefined ? {} : { ttl_action: ttlAction }),
    ...(removeOnExit === undefined ? {} : { remove_on_exit: removeOnExit }),
  }
}
