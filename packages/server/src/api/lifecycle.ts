/** Handlers of the operations on the life of a workspace. */
import { EstimateQuery, type lifecycleOperations } from '@alcove/contract'
import type { Workspaces } from '../workspace/workspaces.ts'
import type { AccountCall, ChangeCall, Handlers } from './handlers.ts'
import { parseIdle, parseMetadata, parsePermanent, parsePing, parseResources, parseTemporary, parseTtl } from './parse-lifecycle.ts'

/** Makes the handlers. */
export function createLifecycleHandlers(workspaces: Workspaces): Handlers<keyof typeof lifecycleOperations> {
  const changeResources = async ({ requester, workspaceId, body }: ChangeCall) => {
    return { success: true, ...(await workspaces.changeResources(requester, workspaceId(), parseResources(body))) } as const
  }
  const setMetadata = async ({ requester, workspaceId, body }: ChangeCall) => {
    return { success: true, metadata: await workspaces.setMetadata(requester, workspaceId(), parseMetadata(body)) } as const
  }

  return {
    async estimateWorkspace({ principal, query }) {
      return { success: true, ...(await workspaces.estimate(principal, query(EstimateQuery))) }
    },
    async getLifecycle({ principal, workspaceId }) {
      return { success: true, ...(await workspaces.lifecycle(principal, workspaceId())) }
    },
    async deleteLifecycle({ requester, workspaceId, acted }) {
      acted(await workspaces.remove(requester, workspaceId()))
      return { success: true, message: 'Workspace deleted' }
    },
    async makePermanent({ requester, workspaceId, body }) {
      return { success: true, workspace: await workspaces.makePermanent(requester, workspaceId(), parsePermanent(body)) }
    },
    async makeTemporary({ requester, workspaceId, body }) {
      return { success: true, workspace: await workspaces.makeTemporary(requester, workspaceId(), parseTemporary(body)) }
    },
    async setTtl({ requester, workspaceId, body }) {
      return { success: true, workspace: await workspaces.setTtl(requester, workspaceId(), parseTtl(body)) }
    },
    async setIdle({ requester, workspaceId, body }) {
      return { success: true, idle: await workspaces.setIdle(requester, workspaceId(), parseIdle(body)) }
    },
    async pingWorkspace({ requester, workspaceId, body }) {
      return { success: true, expires_at: await workspaces.ping(requester, workspaceId(), parsePing(body)) }
    },
    async getResources({ principal, workspaceId }: AccountCall) {
      const resources = await workspaces.resources(principal, workspaceId())
      const { cpus, memory_mb, writable_size_mb, disk_size_mb } = resources
      return { success: true, resources, cpus, memory_mb, writable_size_mb, disk_size_mb }
    },
    putResources: changeResources,
    patchResources: changeResources,
    async getMetadata({ principal, workspaceId }) {
      return { success: true, metadata: await workspaces.metadata(principal, workspaceId()) }
    },
    putMetadata: setMetadata,
    patchMetadata: setMetadata,
    async retryProvisioning({ requester, workspaceId, acted }) {
      const { workspace, operationId } = await workspaces.perform(requester, workspaceId(), 'retry')
      acted(operationId)
      return { success: true, workspace }
    },
  }
}
