/** Making a workspace: one transaction that checks and stores everything, then a boot in the workspace's own turn. */
import type { Config } from '@alcove/contract'
import { AlcoveError, fail, messageOf } from '../lib/fail.ts'
import { newId } from '../lib/ids.ts'
import { lockAccount } from '../store/accounts.ts'
import * as events from '../store/events.ts'
import * as idempotency from '../store/idempotency.ts'
import * as slots from '../store/slots.ts'
import type { WorkspaceRow } from '../store/workspaces.ts'
import * as workspaces from '../store/workspaces.ts'
import { checkAdmission } from '../tenancy/ledger.ts'
import type { Principal } from '../tenancy/principal.ts'
import { fillDefaults } from './config-defaults.ts'
import { type Control, withinBudget } from './control.ts'
import { failureOf, launch } from './launch.ts'
import { Preempted } from './mailbox.ts'
import { generateName } from './names.ts'
import { removeRow } from './remove.ts'
import { settleFailed } from './settle.ts'
import type { CreateRequest, Idempotency } from './workspaces.ts'

const operation = 'createWorkspace'

/** Stores a workspace and boots it; answers when it runs, or with what there is when the budget is used up. */
export async function create(control: Control, principal: Principal, request: CreateRequest, key: Idempotency | undefined): Promise<WorkspaceRow> {
  // What is wrong in the body comes before what is not there.
  checkProxy(control, request.config)
  const imageId = control.imageNames.resolve(request.image)
  if (imageId === undefined) {
    fail('INVALID_IMAGE', {
      message: `The catalogue has no image ${JSON.stringify(request.image)}. GET /workspace/images lists what there is.`,
      details: { field: 'image' },
    })
  }
  const config = fillDefaults(request.config, control.plans.get(principal.plan).limits)
  const { row, isNew } = await admit(control, principal, request, imageId, config, key)
  if (!isNew) return settle(control, row)

  let answered = false
  const made = control.mailboxes.run(row.id, 'create', (signal) => provision(control, row, principal.keyId, signal, () => answered))
  const outcome = await withinBudget(control, made)
  if (outcome) return outcome
  answered = true
  return (await workspaces.findAny(control.store.db, row.id)) ?? fail('conflict', { message: 'The workspace was deleted while it was being created.' })
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

/** The first boot. When it fails before anybody was told of the workspace, nothing of it stays; afterwards it stays as `failed`. */
export async function provision(control: Control, row: WorkspaceRow, actor: string, signal: AbortSignal, isKnown: () => boolean): Promise<WorkspaceRow> {
  try {
    return await launch(control, row, actor, signal)
  } catch (error) {
    if (signal.reason instanceof Preempted) throw signal.reason
    control.log.warn({ workspaceId: row.id, reason: messageOf(error) }, 'create failed')
    if (isKnown()) await keepAsFailed(control, row, actor, error)
    else await forget(control, row, actor, error)
    throw asCreateFailure(error)
  }
}

/** Removes the row of a failed create; what cannot be removed now is removed by the reconciler, and the caller is told of the create. */
async function forget(control: Control, row: WorkspaceRow, actor: string, error: unknown): Promise<void> {
  try {
    await removeRow(control, row, actor, `create failed: ${messageOf(error)}`)
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

async function keepAsFailed(control: Control, row: WorkspaceRow, actor: string, error: unknown): Promise<void> {
  const now = control.clock.now()
  const at = new Date(now).toISOString()
  const failure = failureOf(asCreateFailure(error), now)
  const provisioning = {
    state: 'failed',
    phase: 'failed',
    message: failure.message,
    error: { code: failure.code, message: failure.message },
    updated_at: at,
    completed_at: at,
  } as const
  await settleFailed(control, row, actor, failure, { provisioning })
}

/** Whatever an earlier request with the same key has made, or is making. */
async function settle(control: Control, row: WorkspaceRow): Promise<WorkspaceRow> {
  if (row.status !== 'creating') return row
  const running = control.mailboxes.find<WorkspaceRow>(row.id, 'create')
  if (!running) return row
  return (await withinBudget(control, running)) ?? row
}

async function admit(control: Control, principal: Principal, request: CreateRequest, imageId: string, config: Config, key: Idempotency | undefined) {
  const { store, clock, plans, times } = control
  return store.transaction(async (tx) => {
    const now = clock.now()
    await lockAccount(tx, principal.accountId)
    const earlier = key && (await idempotency.find(tx, { account_id: principal.accountId, operation, key: key.key }))
    if (earlier) return { row: await replay(control, principal, earlier, key), isNew: false }

    const amounts = { cpus: config.cpus, memory_mb: config.memory_mb, disk_mb: config.writable_size_mb }
    await checkAdmission(tx, { accountId: principal.accountId, plan: plans.get(principal.plan), request: amounts, running: true })
    const id = newId('ws')
    const row = await workspaces.insert(tx, {
      id,
      account_id: principal.accountId,
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
      provisioning: { state: 'queued', phase: 'queued', message: 'Waiting for its turn.', error: null, created_at: new Date(now).toISOString() },
      deadline_at: now + times.moveDeadlineMs,
      created_at: now,
    })
    await slots.allocate(tx, id, now, { restMs: times.slotRestMs })
    await events.append(tx, {
      workspace_id: id,
      account_id: row.account_id,
      boot_id: row.boot_id,
      at: now,
      type: 'status',
      from_status: null,
      to_status: 'creating',
      actor: principal.keyId,
      reason: 'create',
    })
    if (key)
      await idempotency.insert(tx, {
        account_id: principal.accountId,
        operation,
        key: key.key,
        request_hash: key.requestHash,
        workspace_id: id,
        created_at: now,
      })
    return { row, isNew: true }
  })
}

async function replay(control: Control, principal: Principal, earlier: idempotency.IdempotencyRow, key: Idempotency): Promise<WorkspaceRow> {
  if (earlier.request_hash !== key.requestHash) fail('idempotency_mismatch', { details: { key: key.key } })
  const row = await workspaces.find(control.store.db, principal.accountId, earlier.workspace_id)
  return (
    row ??
    fail('conflict', {
      message: 'The workspace that this idempotency key made has been deleted. Use a new key to make another.',
      details: { workspaceId: earlier.workspace_id },
    })
  )
}
