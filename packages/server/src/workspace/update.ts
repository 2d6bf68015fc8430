/** Changing name and config: checked and stored in one transaction; what can act on a running VM acts at once. */
import { liveStatuses } from '@alcove/contract'
import { AlcoveError, fail } from '../lib/fail.ts'
import { lockAccount } from '../store/accounts.ts'
import * as slots from '../store/slots.ts'
import type { WorkspaceRow } from '../store/workspaces.ts'
import * as workspaces from '../store/workspaces.ts'
import { assertGeneration, type Requester } from './caller.ts'
import { mergeConfig } from './config-defaults.ts'
import { type Control, withinBudget } from './control.ts'
import { checkProxy } from './create.ts'
import { recordDone } from './lifecycle.ts'
import { checkGrowth } from './resources.ts'
import { ttlMs } from './restart-policy.ts'
import { assertNotDeleting } from './settings.ts'
import { noSuchWorkspace, type UpdateRequest } from './workspaces.ts'

/** Stores the change and returns the row as it is then. */
export async function update(control: Control, requester: Requester, id: string, request: UpdateRequest): Promise<WorkspaceRow> {
  const changed = await store(control, requester, id, request)
  // Past the budget of an answer it is applied all the same: by its turn, or by the next pass.
  if (request.config?.network_config?.allow_internet !== undefined) await withinBudget(control, openNetwork(control, changed))
  return changed
}

async function store(control: Control, requester: Requester, id: string, request: UpdateRequest): Promise<WorkspaceRow> {
  const { plans, clock } = control
  return control.store.transaction(async (tx) => {
    const now = clock.now()
    await lockAccount(tx, requester.accountId)
    const row = (await workspaces.find(tx, requester.accountId, id)) ?? fail('not_found', { message: noSuchWorkspace })
    assertGeneration(row, requester)
    assertNotDeleting(row)
    const config = mergeConfig(row.config, request.config ?? {})
    checkProxy(control, config)
    const amounts = { cpus: config.cpus, memory_mb: config.memory_mb, disk_mb: config.writable_size_mb }
    const claim = { accountId: row.account_id, plan: plans.get(requester.plan), request: amounts, workspaceId: row.id }
    await checkGrowth(tx, { ...claim, current: row, status: row.status })
    const name = request.name === undefined ? {} : { name: request.name }
    const changed = await workspaces.update(tx, row.id, { ...name, config, ...amounts, ...newTerm(row, request, config, now) }, now)
    const keys = [...Object.keys(name), ...Object.keys(request.config ?? {})]
    await recordDone(tx, row, 'update', requester, now, { reason: `changed: ${keys.join(', ') || 'nothing'}` })
    return changed ?? fail('not_found')
  })
}

/** A time to live that was given begins now. */
function newTerm(row: WorkspaceRow, request: UpdateRequest, config: WorkspaceRow['config'], now: number): { expires_at?: number | null } {
  if (request.config?.ttl === undefined) return {}
  const lives = ttlMs({ mode: row.mode, config })
  return { expires_at: lives === undefined || !(liveStatuses as readonly string[]).includes(row.status) ? null : now + lives }
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
