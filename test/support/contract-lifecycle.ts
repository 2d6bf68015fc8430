/** What the contract server does with the life of a workspace: power, mode, time to live, resources, metadata. */
import { durationSeconds, outcomeOf, type Verb, type Workspace } from '@alcove/contract'
import { type Checked, type ContractState, findWorkspace, type Handled, type Handler, Refusal, recordSettings } from './contract-handlers.ts'
import { type Held, sampleExpiry, setStatus } from './contract-samples.ts'

type LifecycleOperation = Exclude<
  Handled,
  | 'createWorkspace'
  | 'listWorkspaces'
  | 'getQuota'
  | 'listImages'
  | 'getWorkspace'
  | 'getWorkspaceDetails'
  | 'updateWorkspace'
  | 'getWorkspaceLogs'
  | 'getWorkspaceStats'
  | 'estimateWorkspace'
  | 'getOperation'
  | 'listOperations'
  | 'listEvents'
>

/** Makes the handlers. */
export function lifecycleHandlers(state: ContractState): Record<LifecycleOperation, Handler> {
  return { ...powerHandlers(state), ...settingHandlers(state) }
}

function powerHandlers(state: ContractState) {
  return {
    deleteWorkspace: (request: Checked) => remove(state, request),
    deleteLifecycle: (request: Checked) => remove(state, request),
    startWorkspace: power(state, 'start', 'running'),
    stopWorkspace: power(state, 'stop', 'stopped'),
    restartWorkspace: power(state, 'restart', 'running'),
    pauseWorkspace: power(state, 'pause', 'paused'),
    resumeWorkspace: power(state, 'resume', 'running'),
    retryProvisioning: power(state, 'retry', 'running'),
  }
}

function settingHandlers(state: ContractState) {
  return {
    getLifecycle(request) {
      const { id, mode, status, uptime, created_at, expires_at = null } = findWorkspace(state, request)
      const { life, restarts } = state.held(id)
      const snapshots = { pause_supported: true, snapshot_supported: false, snapshot_unavailable_reason: 'this machine monitor cannot' }
      return { mode, status, uptime, created_at, expires_at, ttl_expires_at: expires_at, restart_info: restarts, ...life, ...snapshots }
    },
    makePermanent: (request) =>
      live(state, request, { ttl: null, ...(request.body?.restart_policy ? { restart_policy: request.body.restart_policy } : {}) }, 'permanent'),
    makeTemporary(request) {
      const { remove_on_exit } = request.body ?? {}
      return live(state, request, { ...ttlOf(request), ...(remove_on_exit === undefined ? {} : { remove_on_exit }) }, 'temporary')
    },
    setTtl: (request) => live(state, request, ttlOf(request)),
    setIdle(request) {
      const workspace = findWorkspace(state, request)
      const { suspend_after, stop_after = 0 } = request.body
      const policy = { suspend_after: durationSeconds(suspend_after), stop_after: durationSeconds(stop_after) }
      const idle = policy.suspend_after === 0 ? null : policy
      state.held(workspace.id).life.idle = idle
      recordSettings(state, 'lifecycle', workspace)
      return { idle }
    },
    pingWorkspace(request) {
      const workspace = findWorkspace(state, request)
      if (workspace.status !== 'running') throw new Refusal('vm_not_running', 'start the workspace first')
      recordSettings(state, 'ping', workspace)
      return { expires_at: workspace.mode === 'permanent' ? null : sampleExpiry }
    },
    getResources: (request) => resourcesOf(findWorkspace(state, request)),
    putResources: (request) => changeResources(state, request),
    patchResources: (request) => changeResources(state, request),
    getMetadata: (request) => ({ metadata: state.held(findWorkspace(state, request).id).metadata }),
    putMetadata: (request) => changeMetadata(state, request),
    patchMetadata: (request) => changeMetadata(state, request),
  } satisfies Record<string, Handler>
}

function power(state: ContractState, verb: Exclude<Verb, 'delete' | 'settings'>, to: Workspace['status']): Handler {
  return (request) => {
    const workspace = findWorkspace(state, request)
    const { status: from } = workspace
    const outcome = outcomeOf(verb, from)
    if (outcome === 'refuses') throw new Refusal(verb === 'pause' || verb === 'resume' ? 'vm_not_running' : 'conflict', `the workspace is ${from}`)
    const boots = verb === 'restart' || request.body?.force === true || ((verb === 'start' || verb === 'retry') && from !== 'running' && from !== 'paused')
    if (outcome !== 'done' || boots) {
      workspace.generation += boots ? 1 : 0
      setStatus(workspace, to)
    }
    state.history.record(verb, { workspace_id: workspace.id, type: 'status', from, to })
    return { workspace }
  }
}

function remove(state: ContractState, request: Checked) {
  const { id, status } = findWorkspace(state, request)
  state.workspaces.delete(id)
  state.history.record('delete', { workspace_id: id, type: 'deleted', from: status, to: null })
  return { message: 'Workspace deleted' }
}

function live(state: ContractState, request: Checked, life: Partial<Held['life']>, mode?: Workspace['mode']) {
  const workspace = findWorkspace(state, request)
  const { ttl } = Object.assign(state.held(workspace.id).life, life)
  Object.assign(workspace, mode ? { mode } : {})
  if (ttl === null) delete workspace.expires_at
  else workspace.expires_at = sampleExpiry
  recordSettings(state, 'lifecycle', workspace)
  return { workspace }
}

function ttlOf({ body }: Checked) {
  return {
    ...(body?.ttl === undefined ? {} : { ttl: body.ttl === null ? null : String(body.ttl) }),
    ...(body?.ttl_action === undefined ? {} : { ttl_action: body.ttl_action }),
  }
}

function changeResources(state: ContractState, request: Checked) {
  const workspace = findWorkspace(state, request)
  const { apply = false, cpus, memory_mb, writable_size_mb = request.body?.disk_size_mb } = request.body ?? {}
  if (writable_size_mb < workspace.resources.disk_size_mb) throw new Refusal('INVALID_CONFIG', 'a disk never shrinks', { field: 'writable_size_mb' })
  const updated = Object.fromEntries(Object.entries({ cpus, memory_mb, writable_size_mb }).filter(([, value]) => value !== undefined))
  Object.assign(workspace.resources, { ...updated, ...(writable_size_mb ? { disk_size_mb: writable_size_mb } : {}) })
  Reflect.deleteProperty(workspace.resources, 'writable_size_mb')
  const relaunched = apply && workspace.status === 'running'
  workspace.generation += relaunched ? 1 : 0
  workspace.info.restart_required = !relaunched && workspace.status === 'running'
  recordSettings(state, 'resources', workspace)
  return { updated, relaunched }
}

function resourcesOf({ resources, info, status }: Workspace) {
  const amounts = { cpus: resources.cpus, memory_mb: resources.memory_mb, writable_size_mb: resources.disk_size_mb, disk_size_mb: resources.disk_size_mb }
  return { resources: { ...amounts, cpu_config: { quota: 'standard' }, status, restart_required: info.restart_required ?? false }, ...amounts }
}

function changeMetadata(state: ContractState, request: Checked) {
  const workspace = findWorkspace(state, request)
  const { metadata } = state.held(workspace.id)
  for (const [key, value] of Object.entries<string | null>(request.body.metadata)) {
    if (value === null) delete metadata[key]
    else metadata[key] = value
  }
  recordSettings(state, 'metadata', workspace)
  return { metadata }
}
