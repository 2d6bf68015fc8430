/** N10: the usage that the API shows is the sum over the rows, for each account and each limit. */
import { runningPoolStatuses } from '@alcove/contract'
import Type, { type Static } from 'typebox'
import { Compile } from 'typebox/compile'
import { prepare } from '../store/prepared.ts'
import { findDaemons } from './control-plane.ts'
import { type Judgement, notes } from './finding.ts'
import type { Known, Rows } from './known.ts'
import type { AuditCredentials, Place } from './place.ts'

const Amounts = Type.Object({ cpus: Type.Number(), memory_mb: Type.Number(), disk_mb: Type.Number() })
const Answer = Type.Object({ currentSandboxes: Type.Number(), pool_usage: Amounts, running_pool_usage: Amounts })
const answer = Compile(Answer)

/** What an account uses. */
export type Usage = Static<typeof Answer>

/** What the API said of one account. */
export interface ObservedUsage {
  readonly accountId: string
  /** A text when it was asked and gave no usage. */
  readonly usage: Usage | string
}

/** Time for an answer, ms. */
const timeoutMs = 10_000

/** Asks the API with each of the credentials. Nobody is asked while no daemon runs: the address may be another program's by now. */
export async function observeUsage({ realDataDir, credentials, database }: Pick<Place, 'realDataDir' | 'credentials' | 'database'>): Promise<ObservedUsage[]> {
  if ((await findDaemons(realDataDir)).length === 0) return []
  const asked = credentials.map(async (own) => {
    const [key] = await selectAccount(database.db, [own.clientId])
    return key ? [{ accountId: key.account_id, usage: await ask(own) }] : []
  })
  return (await Promise.all(asked)).flat()
}

const selectAccount = prepare<{ account_id: string }>('select account_id from api_keys where id = ?')

async function ask({ url, clientId, clientSecret }: AuditCredentials): Promise<Usage | string> {
  const headers = { 'x-client-id': clientId, 'x-client-secret': clientSecret }
  try {
    const response = await fetch(new URL('/workspace/quota', url), { headers, signal: AbortSignal.timeout(timeoutMs) })
    const body: unknown = await response.json()
    return answer.Check(body) ? body : `HTTP ${response.status}`
  } catch {
    return 'it does not answer'
  }
}

/** Sums the rows of an account. */
export function recount({ workspaces }: Pick<Rows, 'workspaces'>, accountId: string): Usage {
  const own = workspaces.filter(({ account_id }) => account_id === accountId)
  const running = own.filter(({ status }) => (runningPoolStatuses as readonly string[]).includes(status))
  const sum = (rows: typeof own) => ({
    cpus: rows.reduce((total, { cpus }) => total + cpus, 0),
    memory_mb: rows.reduce((total, { memory_mb }) => total + memory_mb, 0),
    disk_mb: rows.reduce((total, { disk_mb }) => total + disk_mb, 0),
  })
  return { currentSandboxes: own.length, pool_usage: sum(own), running_pool_usage: sum(running) }
}

/** Compares what is shown with the rows. An account whose rows changed during the look is not held against the API's answer. */
export function compareUsage(known: Known, before: Rows, observed: readonly ObservedUsage[]): Judgement {
  const { findings, add } = notes('N10')
  const { rows } = known
  const accounts = new Set([...rows.accounts.map(({ id }) => id), ...rows.totals.map(({ account_id }) => account_id)])
  for (const id of accounts) {
    const total = rows.totals.find(({ account_id }) => account_id === id)?.total ?? 0
    const { currentSandboxes: count } = recount(rows, id)
    if (total !== count)
      add(`account ${id}`, `The list says ${total} workspaces, there are ${count}.`, `set workspace_totals of ${id} to ${count}`, { total, count })
  }
  for (const { id, cpus, memory_mb, disk_mb, config } of rows.workspaces) {
    if (cpus === config.cpus && memory_mb === config.memory_mb && disk_mb === config.writable_size_mb) continue
    add(`workspace ${id}`, 'What it is counted with is not what its configuration says.', `update ${id} with its own size`, { cpus, memory_mb, disk_mb })
  }
  let answered = 0
  for (const { accountId, usage } of observed) {
    // Who does not answer shows nothing; whether the daemon runs is another question.
    if (typeof usage === 'string') continue
    answered += 1
    const [first, last] = [recount(before, accountId), recount(rows, accountId)]
    const shown: Usage = { currentSandboxes: usage.currentSandboxes, pool_usage: usage.pool_usage, running_pool_usage: usage.running_pool_usage }
    if (!isSame(first, last) || isSame(shown, last)) continue
    add(`usage of ${accountId}`, 'The API shows another usage than the rows have.', 'restart the daemon', { shown, recounted: last })
  }
  return { findings, checked: { accounts: accounts.size, accountsAsked: answered } }
}

function isSame(one: Usage, other: Usage): boolean {
  const flat = ({ currentSandboxes, pool_usage: pool, running_pool_usage: running }: Usage) =>
    [currentSandboxes, pool.cpus, pool.memory_mb, pool.disk_mb, running.cpus, running.memory_mb, running.disk_mb].join()
  return flat(one) === flat(other)
}
