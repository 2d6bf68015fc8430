/** `alcove quota`: shows plan, limits and usage of the account. */
import type { Quota } from '@alcove/sdk'
import { Command } from 'commander'
import { addClientOptions, type Context, openWorkspaces } from '../context.ts'
import type { Credentials } from '../credentials.ts'
import { outputWidth, print, printJson } from '../output/print.ts'
import { type Column, renderFields, renderTable } from '../output/table.ts'
import { renderMib } from '../output/workspace.ts'

/** Makes the command. */
export function quotaCommand(context: Context): Command {
  const command = new Command('quota').description('show plan, limits and usage of the account')
  return addClientOptions(command).action(async (flags: Partial<Credentials>) => {
    const quota = await (await openWorkspaces(flags, context)).quota(context)
    if (context.isJson) printJson(quota)
    else print(render(quota))
  })
}

interface Row {
  readonly resource: string
  readonly owned: string
  readonly running: string
  readonly perWorkspace: string
}

const columns: readonly Column<Row>[] = [
  { title: 'RESOURCE', value: ({ resource }) => resource },
  { title: 'OWNED', value: ({ owned }) => owned, isNumber: true },
  { title: 'RUNNING', value: ({ running }) => running, isNumber: true },
  { title: 'PER WORKSPACE', value: ({ perWorkspace }) => perWorkspace, isNumber: true },
]

/** How the server spells that there is no limit. */
const unlimited = 2_147_483_647

function render(quota: Quota): string {
  const { limits, pool, pool_usage: owned, running_pool: runningPool, running_pool_usage: running } = quota
  const most = (amount: number, show: (amount: number) => string) => (amount >= unlimited ? 'unlimited' : show(amount))
  const row = (resource: string, key: 'cpus' | 'memory_mb' | 'disk_mb', limit: { min: number; max: number }, show: (amount: number) => string): Row => ({
    resource,
    owned: `${show(owned[key])} of ${most(pool[key], show)}`,
    running: `${show(running[key])} of ${most(runningPool[key], show)}`,
    perWorkspace: `${show(limit.min)} to ${show(limit.max)}`,
  })
  const head = renderFields([
    ['plan', quota.planLabel],
    ['workspaces', `${quota.currentSandboxes} of ${most(quota.maxSandboxes, String)}`],
    ['can create', quota.canCreate ? 'yes' : `no: ${quota.reason ?? 'no reason given'}`],
  ])
  const rows = [
    row('cpus', 'cpus', limits.cpus, String),
    row('memory', 'memory_mb', limits.memory_mb, renderMib),
    row('disk', 'disk_mb', limits.writable_size_mb, renderMib),
  ]
  return `${head}\n${renderTable(columns, rows, outputWidth())}`
}
