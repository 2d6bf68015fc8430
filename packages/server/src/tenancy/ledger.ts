/**
 * What an account may still have. Usage is a sum over its rows, taken in the transaction that changes them, so there is no
 * counter that could drift. Order of the checks: size of the workspace, count, owned pool, running pool.
 */
import type { ErrorCode, Quota } from '@alcove/contract'
import { AlcoveError, fail } from '../lib/fail.ts'
import { lockAccount } from '../store/accounts.ts'
import type { Queryable, Tx } from '../store/schema.ts'
import { type Amounts, type Usage, usage } from '../store/workspaces.ts'
import type { Plan, PlanLimits } from './plans.ts'

/** Whose workspace is checked against which plan. */
export interface Claim {
  readonly accountId: string
  readonly plan: Plan
  /** Size of the workspace; memory and disk in MiB. */
  readonly request: Amounts
}

/**
 * Checks a workspace that is about to be made, and keeps other admissions of the account waiting until `tx` has ended.
 * @param claim.running whether it will hold a VM
 * @throws RESOURCE_NOT_ALLOWED SANDBOX_LIMIT_REACHED POOL_LIMIT_REACHED RUNNING_POOL_REACHED
 */
export async function checkAdmission(tx: Tx, { accountId, plan, request, running }: Claim & { readonly running: boolean }): Promise<void> {
  checkLimits(plan, request)
  await lockAccount(tx, accountId)
  const used = await usage(tx, accountId)
  checkCount(plan, used)
  checkPool('POOL_LIMIT_REACHED', used.owned, request, plan.pool)
  if (running) checkPool('RUNNING_POOL_REACHED', used.running, request, plan.runningPool)
}

/** Checks a workspace that is about to be started: the running pool only. @throws RUNNING_POOL_REACHED */
export async function checkStart(tx: Tx, { accountId, plan, request, workspaceId }: Claim & { readonly workspaceId: string }): Promise<void> {
  await lockAccount(tx, accountId)
  const used = await usage(tx, accountId, workspaceId)
  checkPool('RUNNING_POOL_REACHED', used.running, request, plan.runningPool)
}

/**
 * Checks a workspace that is about to get another size. Only what changes is held against the limits and only what grows against
 * the pool, so that an account over a plan that shrank can still give back.
 * @throws RESOURCE_NOT_ALLOWED POOL_LIMIT_REACHED
 */
export async function checkUpdate(
  tx: Tx,
  { accountId, plan, request, current, workspaceId }: Claim & { readonly current: Amounts; readonly workspaceId: string },
): Promise<void> {
  const changed = resources.filter((resource) => request[resource] !== current[resource])
  const grown = changed.filter((resource) => request[resource] > current[resource])
  checkLimits(plan, request, changed)
  if (grown.length === 0) return
  await lockAccount(tx, accountId)
  const used = await usage(tx, accountId, workspaceId)
  checkPool('POOL_LIMIT_REACHED', used.owned, request, plan.pool, grown)
}

/** Returns what an account uses and may use; `canCreate` and `reason` are those of a create of default size. */
export async function quota(q: Queryable, { accountId, plan }: Pick<Claim, 'accountId' | 'plan'>): Promise<Omit<Quota, 'success'>> {
  const used = await usage(q, accountId)
  const reason = reasonAgainst(plan, used)
  return {
    plan: plan.name,
    planLabel: plan.label,
    limits: plan.limits,
    pool: plan.pool,
    pool_usage: used.owned,
    running_pool: plan.runningPool,
    running_pool_usage: used.running,
    maxSandboxes: plan.maxSandboxes,
    currentSandboxes: used.count,
    canCreate: reason === null,
    reason,
  }
}

/** Checks the size of one workspace against its plan. @throws RESOURCE_NOT_ALLOWED */
export function checkLimits(plan: Plan, request: Amounts, only: readonly Resource[] = resources): void {
  for (const resource of only) {
    const field = limitOf[resource]
    const { min, max } = plan.limits[field]
    const requested = request[resource]
    if (requested >= min && requested <= max) continue
    fail('RESOURCE_NOT_ALLOWED', {
      message: `The plan ${plan.label} allows ${field} from ${min} to ${max}; ${requested} was asked for.`,
      details: { field, min, max, requested },
    })
  }
}

type Resource = keyof Amounts
const resources = ['cpus', 'memory_mb', 'disk_mb'] as const satisfies readonly Resource[]
/** The limit that bounds each resource. */
const limitOf = { cpus: 'cpus', memory_mb: 'memory_mb', disk_mb: 'writable_size_mb' } as const satisfies Record<Resource, keyof PlanLimits>

function checkCount(plan: Plan, used: Usage): void {
  const current = used.count
  const max = plan.maxSandboxes
  if (current < max) return
  fail('SANDBOX_LIMIT_REACHED', {
    message: `The plan ${plan.label} allows ${max} workspaces and ${current} exist; delete one first.`,
    details: { current, max },
  })
}

const remedies: Partial<Record<ErrorCode, string>> = {
  POOL_LIMIT_REACHED: 'delete a workspace or ask for less',
  RUNNING_POOL_REACHED: 'stop a workspace or ask for less',
}

function checkPool(
  code: 'POOL_LIMIT_REACHED' | 'RUNNING_POOL_REACHED',
  used: Amounts,
  request: Amounts,
  pool: Amounts,
  only: readonly Resource[] = resources,
): void {
  for (const field of only) {
    const [current, requested, max] = [used[field], request[field], pool[field]]
    if (current + requested <= max) continue
    fail(code, {
      message: `${current} of ${max} ${field} in the ${code === 'POOL_LIMIT_REACHED' ? 'owned' : 'running'} pool are in use and ${requested} more were asked for; ${remedies[code]}.`,
      details: { field, current, requested, max },
    })
  }
}

function reasonAgainst(plan: Plan, used: Usage): string | null {
  const usual = { cpus: plan.limits.cpus.default, memory_mb: plan.limits.memory_mb.default, disk_mb: plan.limits.writable_size_mb.default }
  try {
    checkLimits(plan, usual)
    checkCount(plan, used)
    checkPool('POOL_LIMIT_REACHED', used.owned, usual, plan.pool)
    checkPool('RUNNING_POOL_REACHED', used.running, usual, plan.runningPool)
    return null
  } catch (error) {
    if (error instanceof AlcoveError) return error.message
    throw error
  }
}
