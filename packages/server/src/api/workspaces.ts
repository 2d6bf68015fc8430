/** Handlers of the workspace operations: parse, call the service, wrap the answer. */
import { ImagesQuery, ListQuery, LogsQuery, limits, type workspaceOperations } from '@alcove/contract'
import type { PowerVerb } from '../workspace/verbs.ts'
import type { Workspaces } from '../workspace/workspaces.ts'
import type { ChangeCall, Handlers } from './handlers.ts'
import { capLimit, withDefaults } from './parse-query.ts'
import { parseCreate, parseStart, parseUpdate } from './parse-workspace.ts'

type Names = Exclude<keyof typeof workspaceOperations, 'health' | 'openapi' | 'metrics'>

/** Makes the handlers. */
export function createWorkspaceHandlers(workspaces: Workspaces): Handlers<Names> {
  const perform = async ({ requester, workspaceId, acted }: ChangeCall, verb: PowerVerb) => {
    const { workspace, operationId } = await workspaces.perform(requester, workspaceId(), verb)
    acted(operationId)
    return { success: true, workspace } as const
  }

  return {
    async createWorkspace({ requester, body }) {
      const { workspace } = await workspaces.create(requester, parseCreate(body))
      return { success: true, workspace }
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
    async updateWorkspace({ requester, workspaceId, body }) {
      const { workspace, restartRequired } = await workspaces.update(requester, workspaceId(), parseUpdate(body))
      return { success: true, workspace, restart_required: restartRequired }
    },
    async deleteWorkspace({ requester, workspaceId, acted }) {
      acted(await workspaces.remove(requester, workspaceId()))
      return { success: true, message: 'Workspace deleted' }
    },
    startWorkspace: async (call) => perform(call, parseStart(call.body).force ? 'restart' : 'start'),
    stopWorkspace: (call) => perform(call, 'stop'),
    restartWorkspace: (call) => perform(call, 'restart'),
    pauseWorkspace: (call) => perform(call, 'pause'),
    resumeWorkspace: (call) => perform(call, 'resume'),
    async getWorkspaceLogs({ principal, workspaceId, query }) {
      const wanted = withDefaults(query(LogsQuery), { source: 'cmd', tail_lines: limits.tailLines.default })
      return { success: true, logs: await workspaces.logs(principal, workspaceId(), wanted), source: wanted.source }
    },
    async getWorkspaceStats({ principal, workspaceId }) {
      return { success: true, stats: await workspaces.stats(principal, workspaceId()) }
    },
  }
}
