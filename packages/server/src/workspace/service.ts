/** The workspaces of all accounts: finds the row within the account, has the verb done, shows the outcome. */
import type { Workspace } from '@alcove/contract'
import type { Catalogue } from '../catalog/catalogue.ts'
import { fail } from '../lib/fail.ts'
import type { LocatedWorkspace, WorkspaceRow } from '../store/workspaces.ts'
import * as workspaces from '../store/workspaces.ts'
import * as ledger from '../tenancy/ledger.ts'
import type { Principal } from '../tenancy/principal.ts'
import type { WorkspaceTokens } from '../tenancy/workspace-tokens.ts'
import type { Control } from './control.ts'
import { create } from './create.ts'
import { restart, start, stop } from './power.ts'
import { needsRestart, presentStats, presentWorkspace } from './present.ts'
import { remove } from './remove.ts'
import { update } from './update.ts'
import { createViews } from './views.ts'
import { noSuchWorkspace, type Workspaces } from './workspaces.ts'

/** Makes the service. */
export function createWorkspaces(control: Control & { readonly tokens: WorkspaceTokens; readonly catalogue: Catalogue }): Workspaces {
  const { store, runner, clock, plans } = control
  const show = (row: LocatedWorkspace): Workspace => presentWorkspace(row, row.slot === null ? '' : runner.addressOf(row.slot), clock.now())
  const find = async (principal: Principal, id: string) =>
    (await workspaces.find(store.db, principal.accountId, id)) ?? fail('not_found', { message: noSuchWorkspace })
  const caller = (principal: Principal) => ({ actor: principal.keyId, plan: principal.plan })
  const views = createViews({ store, clock, addressOf: runner.addressOf })
  const reread = async (principal: Principal, id: string) => (await views.find(principal.accountId, id)) ?? fail('not_found', { message: noSuchWorkspace })
  // A verb that was done is not a failure because the workspace was deleted right after it.
  const after = async (principal: Principal, row: WorkspaceRow) => (await views.find(principal.accountId, row.id)) ?? show({ ...row, slot: null })

  return {
    create: async (principal, request, idempotency) => {
      return after(principal, await create(control, principal, request, idempotency))
    },
    async list(principal, { page, limit, mode, status, namespace }) {
      return { ...(await views.page({ accountId: principal.accountId, page, limit, mode, status, namespace })), page, limit }
    },
    get: reread,
    async details(principal, id) {
      const row = await find(principal, id)
      const isRunning = row.status === 'running'
      const [reading, host, token] = await Promise.all([isRunning ? runner.read(id) : undefined, runner.host(), control.tokens.sign(row)])
      const shown = show(row)
      const uptime = reading ? Math.floor(reading.info.uptimeSeconds) : shown.uptime
      const { config } = row
      return {
        ...shown,
        uptime,
        token,
        stats: presentStats(reading),
        // Nothing serves SSH, a terminal or a preview yet, whatever the config asks for.
        ssh: { ssh_enabled: false, ssh_id: row.id.replace('ws_', ''), connection: null },
        api_access: { terminal: false, preview: false },
        lifecycle: {
          mode: row.mode,
          restart_policy: config.restart_policy,
          max_restarts: config.max_restarts,
          ttl: config.ttl ?? null,
          ttl_action: config.ttl_action,
          remove_on_exit: config.remove_on_exit,
          uptime,
        },
        config,
        isolation: { accel: host.accel, class: host.accel === 'kvm' ? 'hardware' : 'emulated', kernel: reading?.info.kernelRelease ?? '' },
      }
    },
    async update(principal, id, request) {
      await find(principal, id)
      const changed = await update(control, principal, id, request)
      const row = (await workspaces.find(store.db, principal.accountId, id)) ?? { ...changed, slot: null }
      return { workspace: show(row), restartRequired: needsRestart(row) }
    },
    async remove(principal, id) {
      await remove(control, await find(principal, id), principal.keyId)
    },
    async start(principal, id, { force }) {
      await find(principal, id)
      return after(principal, await start(control, id, caller(principal), force))
    },
    async stop(principal, id) {
      await find(principal, id)
      return after(principal, await stop(control, id, caller(principal)))
    },
    async restart(principal, id) {
      await find(principal, id)
      return after(principal, await restart(control, id, caller(principal)))
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
    images: (query) => control.catalogue.list(query),
  }
}
