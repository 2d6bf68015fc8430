/** Making a workspace: one transaction that checks and stores everything, then a boot in the workspace's own turn. */
import type { Cause, Config } from '@alcove/contract'
import { AlcoveError, fail, messageOf } from '../lib/fail.ts'
import { newId } from '../lib/ids.ts'
import { lockAccount } from '../store/accounts.ts'
import * as events from '../store/events.ts'
import * as operations from '../store/operations.ts'
import * as slots from '../store/slots.ts'
import type { WorkspaceRow } from '../store/workspaces.ts'
import * as workspaces from '../store/workspaces.ts'
import { checkAdmission } from '../tenancy/ledger.ts'
import type { Caller, Requester } from './caller.ts'
import { fillDefaults } from './config-defaults.ts'
import { type Control, withinBudget } from './control.ts'
import { failureOf, launch } from './launch.ts'
import { eventOf } from './lifecycle.ts'
import { Preempted } from './mailbox.ts'
import { generateName } from './names.ts'
import { admitStart } from './power.ts'
import { removeFailed } from './remove.ts'
import { settleFailed } from './settle.ts'
import type { CreateRequest } from './workspaces.ts'

/** Stores a workspace and boots it; answers when it runs, or with what there is when the budget is used up. */
export async function create(control: Control, requester: Requester, request: CreateRequest): Promise<WorkspaceRow> {
  // What is wrong in the body comes before what is not there.
  checkProxy(control, request.config)
  const imageId = control.imageNames.resolve(request.image)
  if (imageId === undefined) {
    fail('INVALID_IMAGE', {
      message: `The catalogue has no image ${JSON.stringify(request.image)}. GET /workspace/images lists what there is.`,
      details: { field: 'image' },
    })
  }
  const config = fillDefaults(request.config, control.plans.get(requester.plan).limits)
  const row = await admit(control, requester, request, imageId, config)

  let answered = false
  const made = control.mailboxes.run(row.id, 'create', (signal) => provision(control, row, requester, signal, () => answered))
  const outcome = await withinBudget(control, made)
  if (outcome) return outcome
  answered = true
  return (await workspaces.findAny(control.store.db, row.id)) ?? fail('conflict', { message: 'The workspace was deleted while it was being created.' })
}

/** Does the first boot of a failed create again, in a turn that the caller has. */
export async function retryCreate(control: Control, row: WorkspaceRow, caller: Caller, signal: AbortSignal): Promise<WorkspaceRow> {
  const creating = await control.store.transaction((tx) => {
    const patch = { provisioning: queued(row.created_at) }
    return admitStart(control, tx, row, caller, { verb: 'retry', to: 'creating', patch })
  })
  return provision(control, creating, caller, signal, () => true)
}

/** Refuses an outbound proxy that the server's configuration does not list. */
export function checkProxy(control: Pick<Control, 'proxyIds'>, config: Pick<Config, 'proxy_assignment_id'>): void {
  const id = config.proxy_assignment_id
  if (id === undefined || control.proxyIds.has(id)) return
  const allowed = [...control.proxyIds]
  fail('INVALID_CONFIG', {
    message: `config.proxy_assignment_id ${id} is not one of the server's outbound proxies (${allowed.length > 0 ? allowed.join(', ') : 'there are none'}).`,
    details: { field: 'config.proxy_assignment_id', allowed },
  })
}

type By = { readonly actor: string; readonly cause: Cause }

/** The first boot. When it fails before anybody was told of the workspace, nothing of it stays; afterwards it stays as `failed`. */
export async function provision(control: Control, row: WorkspaceRow, { actor, cause }: By, signal: AbortSignal, isKnown: () => boolean): Promise<WorkspaceRow> {
  const by = { actor, cause }
  try {
    return await launch(control, row, by, signal)
  } catch (error) {
    if (signal.reason instanceof Preempted) throw signal.reason
    const failure = asCreateFailure(error)
    control.log.warn({ workspaceId: row.id, reason: failure.message }, 'create failed')
    if (isKnown()) await keepAsFailed(control, row, by, failure)
    else await forget(control, row, by, failure)
    throw failure
  }
}

/** Removes the row of a failed create; what cannot be removed now is removed by the reconciler, and the caller is told of the create. */
async function forget(control: Control, row: WorkspaceRow, by: By, error: AlcoveError): Promise<void> {
  try {
    await removeFailed(control, row, by, error)
  } catch (failure) {
    control.log.error({ workspaceId: row.id, err: failure }, 'a failed create could not be cleared away yet; it is tried again')
  }
}

function asCreateFailure(error: unknown): AlcoveError {
  if (error instanceof AlcoveError && error.code !== 'START_FAILED') return error
  return new AlcoveError('CREATE_FAILED', {
    message: messageOf(error),
    ...(error instanceof AlcoveError && error.details ? { details: error.details } : {}),
    cause: error,
  })
}

async function keepAsFailed(control: Control, row: WorkspaceRow, by: By, error: AlcoveError): Promise<void> {
  const now = control.clock.now()
  const at = new Date(now).toISOString()
  const failure = failureOf(error, now)
  const provisioning = {
    state: 'failed',
    phase: 'failed',
    message: failure.message,
    error: { code: failure.code, message: failure.message },
    updated_at: at,
    completed_at: at,
  } as const
  await settleFailed(control, row, by, failure, { provisioning })
}

async function admit(control: Control, requester: Requester, request: CreateRequest, imageId: string, config: Config): Promise<WorkspaceRow> {
  const { store, clock, plans, times } = control
  const { accountId, actor, cause, operationId, requestId } = requester
  return store.transaction(async (tx) => {
    const now = clock.now()
    await lockAccount(tx, accountId)
    const amounts = { cpus: config.cpus, memory_mb: config.memory_mb, disk_mb: config.writable_size_mb }
    await checkAdmission(tx, { accountId, plan: plans.get(requester.plan), request: amounts, running: true })
    const row = await workspaces.insert(tx, {
      id: newId('ws'),
      account_id: accountId,
      name: request.name || generateName(),
      namespace: request.namespace ?? null,
      mode: request.mode ?? 'temporary',
      type: request.type ?? null,
      image: request.image,
      image_id: imageId,
      ...amounts,
      config,
      desired: 'running',
      status: 'creating',
      boot_id: newId('boot'),
      generation: 1,
      operation_id: operationId,
      provisioning: queued(now),
      deadline_at: now + times.moveDeadlineMs,
      created_at: now,
    })
    await slots.allocate(tx, row.id, now, { restMs: times.slotRestMs })
    const states = { type: 'status', from_status: null, to_status: 'creating' } as const
    await events.append(tx, { ...eventOf(row, now), ...states, actor, cause, reason: 'create', operation_id: operationId })
    await operations.begin(tx, { id: operationId, account_id: accountId, workspace_id: row.id, verb: 'create', actor, cause, requestId }, now)
    await operations.addStep(tx, operationId, { name: 'creating', at: now })
    return row
  })
}

function queued(since: number) {
  return { state: 'queued', phase: 'queued', message: 'Waiting for its turn.', error: null, created_at: new Date(since).toISOString() } as const
}
