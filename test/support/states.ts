/** Brings a workspace into any state of the contract; a moving one is held at its call of the runner until it is let go on. */
import type { WorkspaceStatus } from '@alcove/contract'
import { AlcoveError } from '../../packages/server/src/lib/fail.ts'
import { newId } from '../../packages/server/src/lib/ids.ts'
import type { Principal } from '../../packages/server/src/tenancy/principal.ts'
import type { Plane, World } from './control.ts'
import { asRequester } from './requests.ts'

/** A place where calls of the runner wait. */
export interface Gate {
  /** Id of the workspace whose call came first. */
  readonly reached: Promise<string>
  readonly open: () => void
  readonly pass: (workspaceId: string, signal?: AbortSignal) => Promise<void>
}

/** Makes a gate that is closed. A call that is aborted does not wait on. */
export function createGate(): Gate {
  const reached = Promise.withResolvers<string>()
  const opened = Promise.withResolvers<void>()
  return {
    reached: reached.promise,
    open: opened.resolve,
    pass: (workspaceId, signal) => {
      reached.resolve(workspaceId)
      const { promise, reject } = Promise.withResolvers<never>()
      if (signal?.aborted) reject(signal.reason)
      signal?.addEventListener('abort', () => reject(signal.reason))
      return Promise.race([opened.promise, promise])
    },
  }
}

/** Closes a gate in front of every call of the runner that moves a workspace. */
export function closeGate({ host }: Pick<World, 'host'>): Gate {
  const gate = createGate()
  host.knobs.onBoot = ({ workspaceId }, signal) => gate.pass(workspaceId, signal)
  host.knobs.onShutdown = (workspaceId) => gate.pass(workspaceId)
  host.knobs.onPause = (_, workspaceId) => gate.pass(workspaceId)
  return gate
}

/** Lets every call of the runner through. */
export function openGates({ host }: Pick<World, 'host'>): void {
  host.knobs.onBoot = host.knobs.onShutdown = host.knobs.onPause = undefined
}

/** A workspace in a state. */
export interface Held {
  readonly id: string
  /** The operation that moves it; absent when it rests. */
  readonly move?: { readonly operationId: string; readonly outcome: Promise<unknown> }
  /** Lets the move go on. */
  readonly release: () => void
}

/** The verb that moves a workspace into a moving state, and the state it is done in. */
const moves = {
  creating: { verb: 'create', from: null },
  starting: { verb: 'start', from: 'stopped' },
  pausing: { verb: 'pause', from: 'running' },
  resuming: { verb: 'resume', from: 'paused' },
  stopping: { verb: 'stop', from: 'running' },
  deleting: { verb: 'delete', from: 'running' },
} as const

/** Brings a new workspace into a state. */
export async function bring(world: World, plane: Plane, principal: Principal, status: WorkspaceStatus): Promise<Held> {
  if (!(status in moves)) return { id: await rest(world, plane, principal, status), release: () => {} }
  const { verb, from } = moves[status as keyof typeof moves]
  const before = from === null ? null : await rest(world, plane, principal, from)
  const gate = closeGate(world)
  const operationId = newId('op')
  const outcome = act(plane, principal, before, verb, operationId)
  outcome.catch(() => {})
  const id = await gate.reached
  const release = () => {
    openGates(world)
    gate.open()
  }
  return { id, move: { operationId, outcome }, release }
}

async function rest({ host }: World, { workspaces }: Plane, principal: Principal, status: WorkspaceStatus): Promise<string> {
  const { id } = await workspaces.create(principal, { image: 'busybox', config: {} })
  if (status === 'paused') await workspaces.pause(principal, id)
  if (status === 'stopped' || status === 'failed') await workspaces.stop(principal, id)
  if (status === 'failed') {
    host.knobs.onBoot = () => Promise.reject(new AlcoveError('START_FAILED', { message: 'no kernel' }))
    await workspaces.start(principal, id).catch(() => {})
    host.knobs.onBoot = undefined
  }
  return id
}

/** Does a verb, as the operation that is named. */
export async function act(
  { service }: Plane,
  principal: Principal,
  id: string | null,
  verb: 'create' | 'settings' | 'delete' | Parameters<Plane['service']['perform']>[2],
  operationId: string,
): Promise<unknown> {
  const requester = asRequester(principal, { operationId })
  if (verb === 'create' || id === null) return service.create(requester, { image: 'busybox', config: {} })
  if (verb === 'settings') return service.update(requester, id, { name: 'changed' })
  if (verb === 'delete') return service.remove(requester, id)
  return service.perform(requester, id, verb)
}
