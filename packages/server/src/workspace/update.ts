/** Changing name and config: checked and stored in one transaction; what can act on a running VM acts at once. */

import { runningPoolStatuses } from '@alcove/contract'
import { AlcoveError, fail } from '../lib/fail.ts'
import { lockAccount } from '../store/accounts.ts'
import * as events from '../store/events.ts'
import * as slots from '../store/slots.ts'
import type { WorkspaceRow } from '../store/workspaces.ts'
import * as workspaces from '../store/workspaces.ts'
import { checkStart, checkUpdate } from '../tenancy/ledger.ts'
import type { Principal } from '../tenancy/principal.ts'
import { mergeConfig } from './config-defaults.ts'
import { type Control, withinBudget } from './control.ts'
import { checkProxy } from './create.ts'
import { noSuchWorkspace, type UpdateRequest } from './workspaces.ts'

/** Stores the change and returns the row as it is then. */
export async function update(control: Control, principal: Principal, id: string, request: UpdateRequest): Promise<WorkspaceRow> {
  const changed = await store(control, principal, id, request)
  // Past the budget of an answer it is applied all the same: by its turn, or by the next pass.
  if (request.config?.network_config?.allow_internet !== undefined) await withinBudget(control, openNetwork(control, changed))
  return changed
}

async function store(control: Control, principal: Principal, id: string, request: UpdateRequest): Promise<WorkspaceRow> {
  const { plans, clock } = control
  return control.store.transaction(async (tx) => {
    const now = clock.now()
    await lockAccount(tx, principal.accountId)
    const row = (await workspaces.find(tx, principal.accountId, id)) ?? fail('not_found', { message: noSuchWorkspace })
    if (row.status === 'deleting') fail('conflict', { message: 'The workspace is being deleted.', details: { status: row.status } })
    const config = mergeConfig(row.config, request.config ?? {})
    checkProxy(control, config)
    const amounts = { cpus: config.cpus, memory_mb: config.memory_mb, disk_mb: config.writable_size_mb }
    const isRunning = (runningPoolStatuses as readonly string[]).includes(row.status)
    const claim = { accountId: row.account_id, plan: plans.get(principal.plan), request: amounts, workspaceId: row.id }
    await checkUpdate(tx, { ...claim, current: row })
    if (isRunning && isLarger(amounts, row)) await checkStart(tx, claim)
    const changed = await workspaces.update(tx, row.id, { ...(request.name === undefined ? {} : { name: request.name }), config, ...amounts }, now)
    await events.append(tx, {
      workspace_id: row.id,
      account_id: row.account_id,
      boot_id: row.boot_id,
      at: now,
      type: 'updated',
      from_status: row.status,
      to_status: row.status,
      actor: principal.keyId,
      reason: `changed: ${[...(request.name === undefined ? [] : ['name']), ...Object.keys(request.config ?? {})].join(', ') || 'nothing'}`,
    })
    return changed ?? fail('not_found')
  })
}

function isLarger(amounts: workspaces.Amounts, row: workspaces.Amounts): boolean {
  return amounts.cpus > row.cpus || amounts.memory_mb > row.memory_mb || amounts.disk_mb > row.disk_mb
}

/** Brings the rules of a running VM in line with its row, in the workspace's turn: a boot that is under way reads the row it began with. */
async function openNetwork(control: Control, row: WorkspaceRow): Promise<void> {
  await control.mailboxes.run(
    row.id,
    'update',
    async () => {
      const now = await workspaces.findAny(control.store.db, row.id)
      const slot = await slots.find(control.store.db, row.id)
      if (now?.status !== 'running' || now.boot_id === null || slot === undefined) return
      const lease = { workspaceId: row.id, bootId: now.boot_id, slot, allowInternet: now.config.network_config.allow_internet }
      // A VM that ends at this moment has no rules to change.
      await control.runner.updateNetwork(lease).catch((error) => {
        if (!(error instanceof AlcoveError) || error.code !== 'vm_not_running') throw error
      })
    },
    { joins: false },
  )
}
