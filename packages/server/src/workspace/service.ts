/** The workspaces of all accounts: finds the row within the account, has the verb done, shows the outcome. */
import type { Workspace } from '@alcove/contract'
import type { Catalogue } from '../catalog/catalogue.ts'
import { fail } from '../lib/fail.ts'
import type { LocatedWorkspace, WorkspaceRow } from '../store/workspaces.ts'
import * as workspaces from '../store/workspaces.ts'
import * as ledger from '../tenancy/ledger.ts'
import { estimate, type Prices } from '../tenancy/prices.ts'
import type { Principal } from '../tenancy/principal.ts'
import type { WorkspaceTokens } from '../tenancy/workspace-tokens.ts'
import type { Requester } from './caller.ts'
import type { Control } from './control.ts'
import { create } from './create.ts'
import { needsRestart, presentDetails, presentStats, presentWorkspace } from './present.ts'
import { presentLifecycle, presentResources } from './present-lifecycle.ts'
import { remove } from './remove.ts'
import { changeResources } from './resources.ts'
import { makePermanent, makeTemporary, ping, setIdle, setMetadata, setTtl } from './settings.ts'
import { update } from './update.ts'
import { perform } from './verbs.ts'
import { createViews } from './views.ts'
import { noSuchWorkspace, type Workspaces } from './workspaces.ts'

/** What the service needs besides the control plane. */
export interface ServiceDependencies extends Control {
  readonly tokens: WorkspaceTokens
  readonly catalogue: Catalogue
  readonly prices: Prices
}

/** Makes the service. */
export function createWorkspaces(control: ServiceDependencies): Workspaces {
  const { store, runner, clock, plans } = control
  const show = (row: LocatedWorkspace): Workspace => presentWorkspace(row, row.slot === null ? '' : runner.addressOf(row.slot), clock.now())
  const find = async ({ accountId }: Pick<Principal, 'accountId'>, id: string) =>
    (await workspaces.find(store.db, accountId, id)) ?? fail('not_found', { message: noSuchWorkspace })
  const views = createViews({ store, clock, addressOf: runner.addressOf })
  const get = async ({ accountId }: Pick<Principal, 'accountId'>, id: string) =>
    (await views.find(accountId, id)) ?? fail('not_found', { message: noSuchWorkspace })
  // A verb that was done is not a failure because the workspace was deleted right after it.
  const after = async ({ accountId }: Requester, row: WorkspaceRow) => (await views.find(accountId, row.id)) ?? show({ ...row, slot: null })
  const changed = async (requester: Requester, id: string, change: () => Promise<WorkspaceRow>) =>
    requester.doneWith === undefined ? after(requester, await change()) : get(requester, id)

  return {
    async create(requester, request) {
      const { operationId, doneWith } = requester
      if (doneWith === undefined) return { workspace: await after(requester, await create(control, requester, request)), operationId }
      const workspace = await views.find(requester.accountId, doneWith)
      return {
        workspace: workspace ?? fail('conflict', { message: 'The workspace that this request made has been deleted. Use a new key to make another.' }),
        operationId,
      }
    },
    async list(principal, { page, limit, mode, status, namespace }) {
      return { ...(await views.page({ accountId: principal.accountId, page, limit, mode, status, namespace })), page, limit }
    },
    get,
    async details(principal, id) {
      const row = await find(principal, id)
      const [reading, host, token] = await Promise.all([row.status === 'running' ? runner.read(id) : undefined, runner.host(), control.tokens.sign(row)])
      return presentDetails({ row, shown: show(row), reading, host, token })
    },
    async update(requester, id, request) {
      if (requester.doneWith === undefined) await update(control, requester, id, request)
      const row = await find(requester, id)
      return { workspace: show(row), restartRequired: needsRestart(row) }
    },
    async remove(requester, id) {
      if (requester.doneWith !== undefined) return requester.operationId
      const row = await remove(control, await find(requester, id), requester)
      views.forget(id)
      return row.operation_id ?? requester.operationId
    },
    async perform(requester, id, verb) {
      if (requester.doneWith !== undefined) return { workspace: await get(requester, id), operationId: requester.operationId }
      await find(requester, id)
      const { row, operationId } = await perform(control, id, verb, requester)
      return { workspace: await after(requester, row), operationId }
    },
    lifecycle: async (principal, id) => presentLifecycle(await find(principal, id), clock.now()),
    makePermanent: (requester, id, { restart_policy }) => changed(requester, id, () => makePermanent(control, requester, id, restart_policy)),
    makeTemporary: (requester, id, term) => changed(requester, id, () => makeTemporary(control, requester, id, term)),
    setTtl: (requester, id, term) => changed(requester, id, () => setTtl(control, requester, id, term)),
    async setIdle(requester, id, idle) {
      await changed(requester, id, () => setIdle(control, requester, id, idle))
      return (await find(requester, id)).config.idle ?? null
    },
    async ping(requester, id, { ttl_seconds }) {
      const workspace = await changed(requester, id, () => ping(control, requester, id, ttl_seconds))
      return workspace.expires_at ?? null
    },
    resources: async (principal, id) => presentResources(await find(principal, id)),
    async changeResources(requester, id, change) {
      if (requester.doneWith === undefined) return changeResources(control, requester, id, change)
      const { apply, ...amounts } = change
      return { updated: Object.fromEntries(Object.entries(amounts).filter(([, amount]) => amount !== undefined)), relaunched: apply }
    },
    metadata: async (principal, id) => (await find(principal, id)).metadata,
    async setMetadata(requester, id, given) {
      await changed(requester, id, () => setMetadata(control, requester, id, given))
      return (await find(requester, id)).metadata
    },
    async logs(principal, id, { source, tail_lines }) {
      await find(principal, id)
      return runner.logs(id, source, tail_lines)
    },
    async stats(principal, id) {
      const row = await find(principal, id)
      const reading = row.status === 'running' ? await runner.read(id) : undefined
      if (!reading)
        fail('vm_not_running', {
          message: `The workspace is ${row.status} and its virtual machine cannot be read. Start it, or try again when it runs.`,
          details: { status: row.status },
        })
      return presentStats(reading)
    },
    quota: (principal) => ledger.quota(store.db, { accountId: principal.accountId, plan: plans.get(principal.plan) }),
    estimate: async (principal, { cpu, ram_mb, disk_mb }) => {
      const { cpus, memory_mb, writable_size_mb } = plans.get(principal.plan).limits
      const request = { cpus: cpu ?? cpus.default, memory_mb: ram_mb ?? memory_mb.default, disk_mb: disk_mb ?? writable_size_mb.default }
      return estimate(control.prices, request)
    },
    images: (query) => control.catalogue.list(query),
  }
}
