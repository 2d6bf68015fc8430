/** `alcove idle`: stores when a workspace is to sleep for want of activity. */
import { Command } from 'commander'
import { addChangeOptions, type ChangeFlags, changeOptions } from '../change-options.ts'
import { addClientOptions, type Context, openWorkspaces } from '../context.ts'
import type { Credentials } from '../credentials.ts'
import { usageError } from '../exit-codes.ts'
import { findWorkspaceId } from '../find-workspace.ts'
import { renderIdle } from '../output/lifecycle.ts'
import { print, printJson } from '../output/print.ts'
import { escapeText } from '../output/text.ts'
import { parseDuration, parseDurationOr } from '../parse.ts'

interface Flags extends ChangeFlags, Partial<Credentials> {
  readonly stopAfter?: string
}

/** Makes the command. */
export function idleCommand(context: Context): Command {
  const command = new Command('idle')
    .description('store when a workspace is to sleep for want of activity')
    .argument('<workspace>', 'id or name')
    .argument('<duration>', 'at least 2m, or off', parseDurationOr('off'))
    .option('--stop-after <duration>', 'stop a workspace that has slept that long: at least 1h', parseDuration)
  return addClientOptions(addChangeOptions(command)).action(async (idOrName: string, suspendAfter: string | null, flags: Flags) => {
    if (suspendAfter === null && flags.stopAfter !== undefined) throw usageError('a workspace that never sleeps is not stopped for it; leave --stop-after out')
    const workspaces = await openWorkspaces(flags, context)
    const id = await findWorkspaceId(workspaces, idOrName, context.signal)
    const stopAfter = flags.stopAfter === undefined ? {} : { stop_after: flags.stopAfter }
    const policy = suspendAfter === null ? null : { suspend_after: suspendAfter, ...stopAfter }
    const idle = await workspaces.lifecycle.setIdle(id, policy, changeOptions(flags, context))
    if (context.isJson) printJson({ success: true, idle })
    else print(`${escapeText(`${id} ${idle === null ? 'never sleeps' : renderIdle(idle)}`)}\n`)
  })
}
