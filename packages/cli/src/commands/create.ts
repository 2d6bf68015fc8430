/** `alcove create`: makes a workspace and waits until it is ready. */
import type { CreateWorkspaceRequest, Workspace, Workspaces } from '@alcove/sdk'
import { Command } from 'commander'
import { addClientOptions, type Context, openWorkspaces } from '../context.ts'
import type { Credentials } from '../credentials.ts'
import { print, printJson } from '../output/print.ts'
import { type Progress, startProgress } from '../output/progress.ts'
import { renderFields } from '../output/table.ts'
import { addConfigOptions, type ConfigFlags, readConfig, readStartCommand } from './config-options.ts'

interface Flags extends ConfigFlags, Partial<Credentials> {
  readonly image: string
  readonly name?: string
  readonly namespace?: string
  readonly mode?: NonNullable<CreateWorkspaceRequest['mode']>
  readonly type?: string
  readonly idempotencyKey?: string
  readonly wait: boolean
}

/** Longest wait for a workspace whose image is built first, ms: a large image takes many minutes without KVM. */
const readyTimeoutMs = 3_600_000

/** Makes the command. */
export function createCommand(context: Context): Command {
  const command = new Command('create')
    .description('create a workspace')
    .usage('--image IMAGE [OPTIONS] [-- CMD ARGS...]')
    .argument('[cmd...]', 'start command and its arguments, behind --')
    .requiredOption('-i, --image <image>', 'image, by id or reference (see alcove images)')
    .option('-n, --name <name>', 'display name; generated when absent')
    .option('--namespace <namespace>', 'namespace: letters, digits, hyphens')
    .option('--mode <mode>', 'permanent or temporary (default: temporary)')
    .option('--type <type>', 'free identifier of yours')
    .option('--idempotency-key <key>', 'creates with the same key make one workspace')
    .option('--no-wait', 'do not wait beyond the first answer of the server')
  addConfigOptions(addClientOptions(command))
  return command.action(async (cmd: string[], flags: Flags) => {
    const request = readRequest(flags, readStartCommand(command, cmd))
    const workspaces = await openWorkspaces(flags, context)
    const progress = startProgress(context, `creating a workspace from ${request.image}`)
    const workspace = await create(workspaces, request, flags, context, progress).finally(progress.end)
    if (context.isJson) printJson({ success: true, workspace })
    else print(renderResult(workspace))
  })
}

function readRequest(flags: Flags, cmd: readonly string[]): CreateWorkspaceRequest {
  const { image, name, namespace, mode, type } = flags
  const config = readConfig(flags, cmd)
  return {
    image,
    ...(name === undefined ? {} : { name }),
    ...(namespace === undefined ? {} : { namespace }),
    ...(mode === undefined ? {} : { mode }),
    ...(type === undefined ? {} : { type }),
    ...(config === undefined ? {} : { config }),
  }
}

async function create(workspaces: Workspaces, request: CreateWorkspaceRequest, flags: Flags, context: Context, progress: Progress): Promise<Workspace> {
  const { signal } = context
  const key = flags.idempotencyKey === undefined ? {} : { idempotencyKey: flags.idempotencyKey }
  const workspace = await workspaces.create(request, { signal, ...key })
  if (!flags.wait || (workspace.info.status !== 'creating' && workspace.info.status !== 'starting')) return workspace
  progress.say(messageOf(workspace))
  return workspaces.waitUntilReady(workspace.id, { signal, timeoutMs: readyTimeoutMs, onProgress: (now) => progress.say(messageOf(now)) })
}

function messageOf({ id, info, provisioning }: Workspace): string {
  return `${id}: ${provisioning?.message || info.status}`
}

function renderResult({ id, name, info, ip }: Workspace): string {
  return renderFields([
    ['id', id],
    ['name', name],
    ['status', info.status],
    ['ip', ip],
  ])
}
