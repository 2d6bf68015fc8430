/** T11: many requests at once against a limit: as many are accepted as fit, and usage is what the rows add up to. */
import Sqlite from 'better-sqlite3'
import { movingStatuses, runningPoolStatuses } from '../../packages/contract/src/states.ts'
import type { Answer, Api } from '../api.ts'
import { auditLines } from '../audit.ts'
import { type Context, type Figure, type Result, result } from '../figure.ts'
import { smallest, type World } from '../world.ts'

/** What every limit lets through. */
const fits = 10
/** Starts are tried with twice as many workspaces as may run, so fewer do. */
const fitsRunning = 4
const { cpus, memory_mb, writable_size_mb } = smallest.config

/** The limits, each as a plan with nothing else in the way. `codes` are the refusals that it may give. */
const kinds = {
  count: { plan: { maxSandboxes: fits }, codes: ['SANDBOX_LIMIT_REACHED'] },
  cpus: { plan: { pool: { cpus: fits * cpus } }, codes: ['POOL_LIMIT_REACHED'] },
  memory: { plan: { pool: { memory_mb: fits * memory_mb } }, codes: ['POOL_LIMIT_REACHED'] },
  disk: { plan: { pool: { disk_mb: fits * writable_size_mb } }, codes: ['POOL_LIMIT_REACHED'] },
  starts: { plan: { running_pool: { cpus: fitsRunning * cpus } }, codes: ['RUNNING_POOL_REACHED'] },
  /** The positive control: one more fits than is right. */
  control: { plan: { maxSandboxes: fits + 1 }, codes: ['SANDBOX_LIMIT_REACHED'] },
  updates: { plan: { pool: { disk_mb: (fitsRunning * 2 + fitsRunning) * writable_size_mb } }, codes: ['POOL_LIMIT_REACHED'] },
} as const
type Kind = keyof typeof kinds

export const figure: Figure = {
  id: 'T11',
  title: 'many creates, starts and updates at once against a limit: exactly as many accepted as fit, usage equals a recount',
  ci: { count: 100, rounds: 10 },
  full: { count: 500, rounds: 200 },
  run,
}

async function run(context: Context): Promise<Result> {
  const plans = Object.fromEntries(Object.entries(kinds).map(([kind, { plan }]) => [kind, plan]))
  await using world = await context.world({ plans })
  const violations: string[] = []
  const counts: Record<string, number> = {}
  const order = (Object.keys(kinds) as Kind[]).filter((kind) => kind !== 'control')
  const apis = new Map<Kind, Api>()
  for (let round = 0; round < (context.size.rounds ?? 1); round++) {
    const kind = order[round % order.length] as Kind
    const api = apis.get(kind) ?? (await world.api(`account-${kind}`, kind))
    apis.set(kind, api)
    const { accepted, refused, wrong } = await oneRound(world, api, kind, context.count)
    violations.push(...wrong.map((line) => `round ${round}, ${kind}: ${line}`))
    counts[`${kind}_accepted`] = (counts[`${kind}_accepted`] ?? 0) + accepted
    counts[`${kind}_refused`] = (counts[`${kind}_refused`] ?? 0) + refused
    context.log(`round ${round}, ${kind}: ${accepted} of ${accepted + refused} accepted, ${violations.length} violations`)
  }
  const { wrong } = await oneRound(world, await world.api('account-control', 'control'), 'control', 2 * fits)
  const control = { name: 'a limit that is one too high', failedAsItMust: wrong.length > 0 }
  violations.push(...(await world.converge()).left)
  return result({
    control,
    counts: { rounds: context.size.rounds ?? 1, at_once: context.count, ...counts },
    violations,
    audit: auditLines(await world.audit()),
  })
}

async function oneRound(world: World, api: Api, kind: Kind, count: number): Promise<{ accepted: number; refused: number; wrong: string[] }> {
  const isCreate = kind !== 'starts' && kind !== 'updates'
  const answers = isCreate ? await createMany(api, count) : kind === 'starts' ? await startMany(api) : await updateMany(api)
  const refusals = answers.flatMap((answer) => refusal(answer) ?? [])
  const accepted = answers.length - refusals.length
  const expected = isCreate ? fits : fitsRunning
  const strange = refusals.filter((why) => !(kinds[kind].codes as readonly string[]).includes(why))
  const wrong = [
    ...(accepted === expected ? [] : [`${accepted} accepted, ${expected} fit`]),
    ...strange.map((why) => `refused with ${why}`),
    ...(await recount(world, api)),
  ]
  await removeAll(api)
  wrong.push(...(await recount(world, api)).map((line) => `after the deletes: ${line}`))
  return { accepted, refused: refusals.length, wrong }
}

function createMany(api: Api, count: number): Promise<Answer[]> {
  return Promise.all(
    Array.from({ length: count }, (_, index) => api.send('POST', '/workspace', { body: { ...smallest, name: `w-${index}` }, timeoutMs: 300_000 })),
  )
}

/** Twice as many stopped workspaces as may run, all started at once. */
async function startMany(api: Api): Promise<Answer[]> {
  const ids = await prepare(api, 2 * fitsRunning, true)
  return Promise.all(ids.map((id) => api.send('POST', `/workspace/${id}/start`, { timeoutMs: 300_000 })))
}

/** Workspaces whose disks all ask to be doubled, where half of that fits. */
async function updateMany(api: Api): Promise<Answer[]> {
  const ids = await prepare(api, 2 * fitsRunning, false)
  return Promise.all(ids.map((id) => api.send('PUT', `/workspace/${id}`, { body: { config: { writable_size_mb: 2 * writable_size_mb } } })))
}

async function prepare(api: Api, count: number, areStopped: boolean): Promise<string[]> {
  const ids: string[] = []
  for (let index = 0; index < count; index++) {
    const answer = await api.send('POST', '/workspace', { body: { ...smallest, name: `w-${index}` } })
    const id = answer.kind === 'answered' ? answer.body.workspace?.id : undefined
    if (id === undefined) throw new Error(`could not be prepared: ${JSON.stringify(answer)}`)
    ids.push(id)
    if (areStopped) await api.send('POST', `/workspace/${id}/stop`)
  }
  return ids
}

function refusal(answer: Answer): string | undefined {
  if (answer.kind === 'unanswered') return `no answer: ${answer.reason}`
  return answer.status < 300 ? undefined : (answer.body.code ?? `status ${answer.status}`)
}

interface Row {
  readonly status: string
  readonly cpus: number
  readonly memory_mb: number
  readonly disk_mb: number
}

/** Compares what the API shows as usage with the sums over the rows of the account. */
async function recount(world: World, api: Api): Promise<string[]> {
  const answer = await api.send('GET', '/workspace/quota')
  if (answer.kind !== 'answered' || answer.status !== 200) return [`the quota was not answered: ${JSON.stringify(answer)}`]
  const db = new Sqlite(world.database, { readonly: true })
  const rows = db
    .prepare('select w.status, w.cpus, w.memory_mb, w.disk_mb from workspaces w join accounts a on a.id = w.account_id where a.name = ?')
    .all(api.account) as Row[]
  db.close()
  const moving = rows.filter(({ status }) => (movingStatuses as readonly string[]).includes(status)).length
  const sum = (some: readonly Row[]) => ({
    cpus: some.reduce((total, row) => total + row.cpus, 0),
    memory_mb: some.reduce((total, row) => total + row.memory_mb, 0),
    disk_mb: some.reduce((total, row) => total + row.disk_mb, 0),
  })
  const running = rows.filter(({ status }) => (runningPoolStatuses as readonly string[]).includes(status))
  const shown = { count: answer.body.currentSandboxes, pool: answer.body.pool_usage, running: answer.body.running_pool_usage }
  const counted = { count: rows.length, pool: sum(rows), running: sum(running) }
  return [
    ...(moving > 0 ? [`${moving} workspaces are still moving`] : []),
    ...(JSON.stringify(shown) === JSON.stringify(counted) ? [] : [`usage is shown as ${JSON.stringify(shown)}, the rows add up to ${JSON.stringify(counted)}`]),
  ]
}

async function removeAll(api: Api): Promise<void> {
  await Promise.all((await api.list()).map(({ id }) => api.send('DELETE', `/workspace/${id}`, { timeoutMs: 300_000 })))
}
