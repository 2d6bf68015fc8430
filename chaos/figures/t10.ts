/** T10: one idempotency key, many requests, and the daemon killed in between: one workspace, one answer. */
import { systemClock } from '../../packages/server/src/lib/clock.ts'
import type { Answer, Api } from '../api.ts'
import { auditLines } from '../audit.ts'
import { type Context, type Figure, type Result, result } from '../figure.ts'
import { readRows } from '../host-view.ts'
import type { Random } from '../random.ts'
import { smallest } from '../world.ts'

/** Requests under one key at the same time. */
const parallel = 5
/** Keys at the same time. */
const batch = 10
/** Latest moment at which a client gives up waiting, ms. */
const latestCutMs = 400
/** Longest that a client asks again for an answer, ms; a daemon that was killed is back long before. */
const patienceMs = 60_000

export const figure: Figure = {
  id: 'T10',
  title: 'one idempotency key, 5 requests at once, half of them cut, the daemon killed: one workspace, one answer, 422 for another body',
  ci: { count: 60, kills: 4 },
  full: { count: 2000, kills: 50 },
  run,
}

interface Tally {
  requests: number
  cut: number
  unanswered: number
  conflicts: number
  mismatches: number
  differing: number
}

async function run(context: Context): Promise<Result> {
  await using world = await context.world({ limit: 4 * batch })
  const [api] = world.tenants
  if (!api) throw new Error('no account')
  const random = context.random.fork('keys')
  const violations: string[] = []
  const tally: Tally = { requests: 0, cut: 0, unanswered: 0, conflicts: 0, mismatches: 0, differing: 0 }
  const batches = Math.ceil(context.count / batch)
  const kills = Math.min(context.size.kills ?? 0, batches)
  const killed = new Set(random.shuffle(Array.from({ length: batches }, (_, at) => at)).slice(0, kills))
  for (let at = 0; at < batches; at++) {
    const keys = Array.from({ length: Math.min(batch, context.count - at * batch) }, (_, index) => `key-${at}-${index}`)
    const asked = Promise.all(keys.map((key) => askAll(api, key, random.fork(key), tally)))
    if (killed.has(at)) {
      await systemClock.sleep(random.int(2 * latestCutMs))
      await world.kill9()
      await world.start()
    }
    const ids = await asked
    const { left } = await world.converge()
    violations.push(...left, ...(await judgeKeys(api, keys, ids, tally)))
    await Promise.all(ids.map((answered) => Promise.all([...answered].map((id) => remove(api, id)))))
    if (at % 5 === 4) context.log(`${(at + 1) * batch} keys, ${violations.length} violations, ${JSON.stringify(tally)}`)
  }
  const control = await withoutKey(api)
  const { left } = await world.converge()
  const rows = readRows(world.database)
  if (rows.length > 0) violations.push(`${rows.length} workspaces are left after all were deleted`)
  violations.push(...left)
  return result({ counts: { keys: context.count, kills, ...tally }, violations, control, audit: auditLines(await world.audit()) })
}

/** Sends the requests of one key from connections of their own, and asks again until all but the cut ones have an answer. Returns the ids answered. */
async function askAll(api: Api, key: string, random: Random, tally: Tally): Promise<Set<string>> {
  const ids = new Set<string>()
  const texts = new Set<string>()
  const note = (answer: Answer) => {
    if (answer.kind === 'answered' && answer.status === 201 && answer.body.workspace) {
      ids.add(answer.body.workspace.id)
      texts.add(JSON.stringify(answer.body))
    }
  }
  await Promise.all(
    Array.from({ length: parallel }, async (_, index) => {
      const own = random.fork(`${index}`)
      // The first always waits for its answer, so that each key has one.
      if (index > 0 && own.chance(0.5)) {
        tally.cut++
        note(await ask(api, key, tally, AbortSignal.timeout(own.int(latestCutMs))))
      } else {
        note(await askUntilAnswered(api, key, tally))
      }
    }),
  )
  // A late duplicate is answered as the first was.
  note(await askUntilAnswered(api, key, tally))
  if (texts.size > 1) tally.differing++
  return ids
}

async function askUntilAnswered(api: Api, key: string, tally: Tally): Promise<Answer> {
  const giveUpAt = performance.now() + patienceMs
  for (;;) {
    const answer = await ask(api, key, tally)
    const isFinal = answer.kind === 'answered' && answer.status !== 409 && answer.status < 500
    if (isFinal || performance.now() > giveUpAt) return answer
    if (answer.kind === 'unanswered') tally.unanswered++
    else tally.conflicts++
    await systemClock.sleep(250)
  }
}

function ask(api: Api, key: string, tally: Tally, signal?: AbortSignal): Promise<Answer> {
  tally.requests++
  return api.send('POST', '/workspace', { body: { ...smallest, name: key }, key, ...(signal ? { signal } : {}) })
}

async function judgeKeys(api: Api, keys: readonly string[], ids: readonly ReadonlySet<string>[], tally: Tally): Promise<string[]> {
  const wrong: string[] = []
  const views = await api.list()
  for (const [index, key] of keys.entries()) {
    const answered = ids[index] ?? new Set()
    const there = views.filter(({ name }) => name === key)
    if (answered.size !== 1) wrong.push(`${key} was answered with ${answered.size} workspaces`)
    if (there.length !== 1) wrong.push(`${key} made ${there.length} workspaces`)
    if (there[0] && !answered.has(there[0].id)) wrong.push(`${key} was answered with ${[...answered].join()}, but ${there[0].id} is there`)
    const other = await api.send('POST', '/workspace', { body: { ...smallest, name: `${key}-other` }, key })
    if (other.kind === 'answered' && other.status === 422 && other.body.code === 'idempotency_mismatch') tally.mismatches++
    else wrong.push(`${key} with another body was answered with ${JSON.stringify(other).slice(0, 200)}`)
  }
  if (views.length !== keys.length) wrong.push(`${views.length} workspaces for ${keys.length} keys`)
  return wrong
}

/** The same requests without their key: the count must tell. */
async function withoutKey(api: Api): Promise<NonNullable<Result['control']>> {
  const name = 'without-key'
  const answers = await Promise.all(Array.from({ length: parallel }, () => api.send('POST', '/workspace', { body: { ...smallest, name } })))
  const made = (await api.list()).filter((view) => view.name === name)
  await Promise.all(made.map(({ id }) => remove(api, id)))
  return { name: `${answers.length} requests without a key made ${made.length} workspaces`, failedAsItMust: made.length > 1 }
}

async function remove(api: Api, id: string): Promise<void> {
  await api.send('DELETE', `/workspace/${id}`)
}
