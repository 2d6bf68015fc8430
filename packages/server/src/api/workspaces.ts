/** Handlers of the workspace operations: parse, call the service, wrap the answer. */
import { ImagesQuery, ListQuery, LogsQuery, limits, type OperationName } from '@alcove/contract'
import type { Workspaces } from '../workspace/workspaces.ts'
import type { Handlers } from './handlers.ts'
import { parseIdempotency } from './idempotency.ts'
import { capLimit, withDefaults } from './parse-query.ts'
import { parseCreate, parseStart, parseUpdate } from './parse-workspace.ts'

/** Makes the handlers of the account operations. */
export function createWorkspaceHandlers(workspaces: Workspaces): Handlers<Exclude<OperationName, 'health' | 'openapi' | 'metrics'>> {
  return {
    async createWorkspace({ principal, headers, body }) {
      const given = await body()
      const request = parseCreate(given)
      const idempotency = parseIdempotency(headers['idempotency-key'], given)
      return { success: true, workspace: await workspaces.create(principal, request, idempotency) }
    },
    async listWorkspaces({ principal, query }) {
      return { success: true, ...(await workspaces.list(principal, capLimit(withDefaults(query(ListQuery), { page: 1, limit: limits.pageSize.default })))) }
    },
    async getQuota({ principal }) {
      return { success: true, ...(await workspaces.quota(principal)) }
    },
    async listImages({ query }) {
      return { success: true, ...(await workspaces.images(query(ImagesQuery))) }
    },
    async getWorkspace({ principal, workspaceId }) {
      return { success: true, workspace: await workspaces.get(principal, workspaceId()) }
    },
    async getWorkspaceDetails({ principal, workspaceId }) {
      return { success: true, workspace: await workspaces.details(principal, workspaceId()) }
    },
    async updateWorkspace({ principal, workspaceId, body }) {
      const { workspace, restartRequired } = await workspaces.update(principal, workspaceId(), parseUpdate(await body()))
      return { success: true, workspace, restart_required: restartRequired }
    },
    async deleteWorkspace({ principal, workspaceId }) {
      await workspaces.remove(principal, workspaceId())
      return { success: true, message: 'Workspace deleted' }
    },
    async startWorkspace({ principal, workspaceId, body }) {
      return { success: true, workspace: await workspaces.start(principal, workspaceId(), parseStart(await body())) }
    },
    async stopWorkspace({ principal, workspaceId }) {
      return { success: true, workspace: await workspaces.stop(principal, workspaceId()) }
    },
    async restartWorkspace({ principal, workspaceId }) {
      return { success: true, workspace: await workspaces.restart(principal, workspaceId()) }
    },
    async getWorkspaceLogs({ principal, workspaceId, query }) {
      const wanted = withDefaults(query(LogsQuery), { source: 'cmd', tail_lines: limits.tailLines.default })
      return { success: true, logs: await workspaces.logs(principal, workspaceId(), wanted), source: wanted.source }
    },
    async getWorkspaceStats({ principal, workspaceId }) {
      return { success: true, stats: await workspaces.stats(principal, workspaceId()) }
    },
  }
}
