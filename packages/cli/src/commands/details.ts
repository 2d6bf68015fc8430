/** `alcove details`: shows a workspace with usage, lifecycle and config. */
import type { WorkspaceDetails } from '@alcove/sdk'
import { Command } from 'commander'
import { addClientOptions, type Context, openWorkspaces } from '../context.ts'
import type { Credentials } from '../credentials.ts'
import { findWorkspaceId } from '../find-workspace.ts'
import { print, printJson } from '../output/print.ts'
import { renderFields } from '../output/table.ts'
import { renderWorkspace } from '../output/workspace.ts'

/** Makes the command. */
export function detailsCommand(context: Context): Command {
  const command = new Command('details').description('show a workspace with usage, lifecycle and config').argument('<workspace>', 'id or name')
  return addClientOptions(command).action(async (idOrName: string, flags: Partial<Credentials>) => {
    const workspaces = await openWorkspaces(flags, context)
    const details = await workspaces.details(await findWorkspaceId(workspaces, idOrName, context.signal), context)
    if (context.isJson) printJson(details)
    else print(render(details.workspace))
  })
}

/** The token is shown by `--json` only: a screen is read over shoulders. */
function render(workspace: WorkspaceDetails): string {
  const { stats, lifecycle, isolation, ssh, api_access: api, config } = workspace
  const sections = [
    renderWorkspace(workspace),
    renderFields([
      ['cpu', `${stats.cpuUsage.toFixed(1)} %`],
      ['memory', `${stats.memoryUsedMB} of ${stats.memoryTotalMB} MiB (${stats.memoryUsage.toFixed(1)} %)`],
      ['disk', `${stats.guestDiskUsedPct.toFixed(1)} % of ${Math.round(stats.guestDiskTotalBytes / 1_048_576)} MiB`],
      ['network', `${stats.networkIn} in, ${stats.networkOut} out`],
    ]),
    renderFields([
      ['accelerator', `${isolation.accel} (${isolation.class})`],
      ['kernel', isolation.kernel],
      ['ssh', ssh.connection?.command],
      ['terminal', api.terminal ? 'enabled' : undefined],
      ['preview', api.preview ? 'enabled' : undefined],
    ]),
    renderFields([
      ['restart policy', lifecycle.max_restarts > 0 ? `${lifecycle.restart_policy}, at most ${lifecycle.max_restarts} times` : lifecycle.restart_policy],
      ['time to live', lifecycle.ttl === null ? undefined : `${lifecycle.ttl}, then ${lifecycle.ttl_action}`],
      ['on exit', lifecycle.remove_on_exit ? 'removed' : undefined],
      ['command', typeof config.cmd === 'string' ? config.cmd : config.cmd?.map((part) => JSON.stringify(part)).join(' ')],
      ['environment', config.env.map(({ key }) => key).join(' ')],
      ['workloads', config.workloads.length > 0 ? config.workloads.length : undefined],
    ]),
  ]
  return sections.filter((section) => section !== '').join('\n')
}
