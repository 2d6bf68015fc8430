/** `alcove events`: prints what happened to a workspace, and with `-f` what happens to it or to the whole account. */
import type { Alcove, AlcoveError, WorkspaceEvent } from '@alcove/sdk'
import { Command } from 'commander'
import { addClientOptions, type Context, openClient } from '../context.ts'
import type { Credentials } from '../credentials.ts'
import { usageError } from '../exit-codes.ts'
import { findWorkspaceId } from '../find-workspace.ts'
import { renderEvent } from '../output/history.ts'
import { print, printJson } from '../output/print.ts'
import { escapeText } from '../output/text.ts'

interface Flags extends Partial<Credentials> {
  readonly follow?: boolean
  readonly after?: string
}

/** Makes the command. */
export function eventsCommand(context: Context): Command {
  const command = new Command('events')
    .description('print what happened to a workspace, or with -f what happens in the account')
    .argument('[workspace]', 'id or name; only the id of a deleted one')
    .option('-f, --follow', 'go on printing what happens')
    .option('--after <event>', 'only what came after this event')
  return addClientOptions(command).action(async (idOrName: string | undefined, flags: Flags) => {
    if (idOrName === undefined && !flags.follow) throw usageError('give a workspace, or -f for the events of the whole account')
    const client = await openClient(flags, context)
    if (idOrName === undefined) return follow(client, undefined, flags.after, context)
    const id = await findWorkspaceId(client.workspaces, idOrName, context.signal)
    const { last, isGone } = await printHistory(client, id, flags, context)
    if (flags.follow && !isGone) await follow(client, id, last, context)
  })
}

/** Prints what has happened. With `--json` it is one document, unless more is to follow: that has no end to close a document at. */
async function printHistory(
  { workspaces }: Alcove,
  id: string,
  { after, follow }: Flags,
  context: Context,
): Promise<{ last: string | undefined; isGone: boolean }> {
  const isDocument = context.isJson && !follow
  const events: WorkspaceEvent[] = []
  let last = after
  let isGone = false
  for await (const event of workspaces.allEvents(id, after === undefined ? {} : { after }, context)) {
    last = event.id
    isGone = isEnd(event)
    if (isDocument) events.push(event)
    else printEvent(event, context)
  }
  if (isDocument) printJson({ success: true, events, next: null })
  return { last, isGone }
}

/** Prints what happens behind an event, to one workspace until it is gone, or to all of the account. */
async function follow({ events }: Alcove, id: string | undefined, after: string | undefined, context: Context): Promise<void> {
  let isAway = false
  const onInterruption = ({ message }: AlcoveError) => {
    if (!context.isJson && !isAway) process.stderr.write(`${escapeText(message)}; trying again\n`)
    isAway = true
  }
  const { signal } = context
  for await (const event of events.stream({ signal, onInterruption, ...(after === undefined ? {} : { lastEventId: after }) })) {
    isAway = false
    if (id !== undefined && event.workspace_id !== id) continue
    printEvent(event, context)
    if (id !== undefined && isEnd(event)) return
  }
}

function printEvent(event: WorkspaceEvent, { isJson }: Context): void {
  if (isJson) printJson(event)
  else print(renderEvent(event))
}

/** Nothing happens to a workspace that is gone. */
function isEnd({ type }: WorkspaceEvent): boolean {
  return type === 'deleted'
}
