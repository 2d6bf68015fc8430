/** Changing CPUs, memory and disk: checked against limits and pools in the transaction that stores them, or that begins the restart that applies them. */
import { runningPoolStatuses } from '@alcove/contract'
import { fail } from '../lib/fail.ts'
import { lockAccount } from '../store/accounts.ts'
import type { Tx } from '../store/open.ts'
import type { Amounts, WorkspaceRow } from '../store/workspaces.ts'
import * as workspaces from '../store/workspaces.ts'
import { checkStart, checkUpdate } from '../tenancy/ledger.ts'
import { assertGeneration, type Requester } from './caller.ts'
import { mergeConfig } from './config-defaults.ts'
import { type Control, withinBudget } from './control.ts'
import { recordDone } from './lifecycle.ts'
import { restartNow } from './power.ts'
import { assertNotDeleting } from './settings.ts'
import { noSuchWorkspace } from './workspaces.ts'

/** A change; absent stays as it is. `apply`: whether a VM that runs is restarted for it. */
export interface ResourcesChange {
  readonly cpus?: number | undefined
  readonly memory_mb?: number | undefined
  readonly writable_size_mb?: number | undefined
  readonly apply: boolean
}

/** What a change did. */
export interface ResourcesChanged {
  /** Only the keys that differ from before. */
  readonly updated: { cpus?: number; memory_mb?: number; writable_size_mb?: number }
  readonly relaunched: boolean
}

/** Stores a change, and restarts a running VM for it where that is asked for. */
export async function changeResources(control: Control, requester: Requester, id: string, change: ResourcesChange): Promise<ResourcesChanged> {
  if (!change.apply) return storeNow(control, requester, id, change)
  assertNotDeleting((await workspaces.find(control.store.db, requester.accountId, id)) ?? fail('not_found', { message: noSuchWorkspace }))
  const turn = control.mailboxes.run(id, 'resources', (signal) => applyNow(control, requester, id, change, signal), { joins: false })
  const done = await withinBudget(control, turn)
  if (done) return done
  // The restart takes its time, and so may what is in front of it; it goes on.
  return { updated: given(change), relaunched: true }
}

async function applyNow(control: Control, requester: Requester, id: string, change: ResourcesChange, signal: AbortSignal): Promise<ResourcesChanged> {
  const row = (await workspaces.find(control.store.db, requester.accountId, id)) ?? fail('not_found', { message: noSuchWorkspace })
  if (row.status !== 'running' && row.status !== 'paused') return storeNow(control, requester, id, change)
  assertGeneration(row, requester)
  const store = (tx: Tx) => storeChange(control, tx, requester, id, change)
  await restartNow(control, { ...row, ...amountsOf(row, change) }, requester, signal, { verb: 'resources', change: store })
  return { updated: differing(row, change), relaunched: true }
}

/** Stores a change for the next start: one transaction, whatever goes on. */
function storeNow(control: Control, requester: Requester, id: string, change: ResourcesChange): Promise<ResourcesChanged> {
  return control.store.transaction(async (tx) => {
    const before = await storeChange(control, tx, requester, id, change)
    assertGeneration(before, requester)
    const updated = differing(before, change)
    await recordDone(tx, before, 'resources', requester, control.clock.now(), { reason: `changed: ${Object.keys(updated).join(', ') || 'nothing'}` })
    return { updated, relaunched: false }
  })
}

/** Checks and stores; returns the row as it was. */
async function storeChange({ plans, clock }: Control, tx: Tx, requester: Requester, id: string, change: ResourcesChange): Promise<WorkspaceRow> {
  await lockAccount(tx, requester.accountId)
  const row = (await workspaces.find(tx, requester.accountId, id)) ?? fail('not_found', { message: noSuchWorkspace })
  assertNotDeleting(row)
  const config = mergeConfig(row.config, given(change))
  const request = { cpus: config.cpus, memory_mb: config.memory_mb, disk_mb: config.writable_size_mb }
  await checkGrowth(tx, { accountId: row.account_id, plan: plans.get(requester.plan), request, workspaceId: row.id, current: row, status: row.status })
  await workspaces.update(tx, row.id, { config, ...request }, clock.now())
  return row
}

/** Checks a workspace that is to have another size against its limits and pools. @throws RESOURCE_NOT_ALLOWED POOL_LIMIT_REACHED RUNNING_POOL_REACHED */
export async function checkGrowth(
  tx: Tx,
  { current, status, ...claim }: Parameters<typeof checkUpdate>[1] & { readonly status: WorkspaceRow['status'] },
): Promise<void> {
  await checkUpdate(tx, { ...claim, current })
  const { request } = claim
  const grows = request.cpus > current.cpus || request.memory_mb > current.memory_mb || request.disk_mb > current.disk_mb
  if (grows && (runningPoolStatuses as readonly string[]).includes(status)) await checkStart(tx, claim)
}

/** What a change would differ in, as the answer names it. */
function differing(row: WorkspaceRow, change: ResourcesChange): ResourcesChanged['updated'] {
  const changed = Object.entries(given(change)).filter(([key, value]) => row.config[key as keyof ResourcesChanged['updated']] !== value)
  return Object.fromEntries(changed)
}

function given({ cpus, memory_mb, writable_size_mb }: ResourcesChange): ResourcesChanged['updated'] {
  return {
    ...(cpus === undefined ? {} : { cpus }),
    ...(memory_mb === undefined ? {} : { memory_mb }),
    ...(writable_size_mb === undefined ? {} : { writable_size_mb }),
  }
}

function amountsOf(row: Amounts, { cpus, memory_mb, writable_size_mb }: ResourcesChange): Amounts {
  return { cpus: cpus ?? row.cpus, memory_mb: memory_mb ?? row.memory_mb, disk_mb: writable_size_mb ?? row.disk_mb }
}
