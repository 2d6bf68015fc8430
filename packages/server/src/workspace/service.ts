/** The workspaces of all accounts: finds the row within the account, has the verb done, shows the outcome. */
import type { Workspace } from '@alcove/contract'
import type { Catalogue } from '../catalog/catalogue.ts'
import { fail } from '../lib/fail.ts'
import type { LocatedWorkspace } from '../store/workspaces.ts'
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
import type { Workspaces } from './workspaces.ts'

/** Makes the service. */
export function createWorkspaces(control: Control & { readonly tokens: WorkspaceTokens; readonly catalogue: Catalogue }): Workspaces {
  const { store, runner, clock, plans } = control
  const show = (row: LocatedWorkspace): Workspace => presentWorkspace(row, row.slot === null ? '' : runner.addressOf(row.slot), clock.now())
  const find = async (principal: Principal, id: string) =>
    (await workspaces.find(store.db, principal.accountId, id)) ?? fail('not_found', { message: notFound })
  const caller = (principal: Principal) => ({ actor: principal.keyId, plan: principal.plan })
  const reread = async (principal: Principal, id: string) => show(await find(principal, id))

  return {
    create: async (principal, request, idempotency) => {
      const row = await create(control, principal, request, idempotency)
      return reread(principal, row.id)
    },
    async list(principal, { page, limit, mode, status, namespace }) {
      const found = await workspaces.listPage(store.db, { accountId: principal.accountId, page, limit, mode, status, namespace })
      return { workspaces: found.rows.map(show), total: found.total, page, limit }
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
        ssh: { ssh_enabled: config.ssh_access, ssh_id: row.id.replace('ws_', ''), connection: null },
        api_access: { terminal: false, preview: config.network_config.public_ingress },
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
      await update(control, principal, id, request)
      const row = await find(principal, id)
      return { workspace: show(row), restartRequired: needsRestart(row) }
    },
    async remove(principal, id) {
      await remove(control, await find(principal, id), principal.keyId)
    },
    async start(principal, id, { force }) {
      await find(principal, id)
      await start(control, id, caller(principal), force)
      return reread(principal, id)
    },
    async stop(principal, id) {
      await find(principal, id)
      await stop(control, id, caller(principal))
      return reread(principal, id)
    },
    async restart(principal, id) {
      await find(principal, id)
      await restart(control, id, caller(principal))
      return reread(principal, id)
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

/** The same for an id that never was and for one of another account. */
const notFound = 'There is no such workspace in this account.'
