/** T9: times to live through restarts of the daemon and a clock that is set: none early, none late, none lost. */
import Sqlite from 'better-sqlite3'
import { systemClock } from '../../packages/server/src/lib/clock.ts'
import { auditLines } from '../audit.ts'
import { type Context, type Figure, latencyOf, type Result, result } from '../figure.ts'
import type { Random } from '../random.ts'
import { createMovableClock, type MovableClock } from '../time/movable-clock.ts'
import { createWithTerm, driftOf, leaves, noteActed, readTerms, setTerm, type Term } from '../time/terms.ts'
import { smallest, type World } from '../world.ts'

const hour = 3_600_000
const jumps = { '+1 h': hour, '-1 h': -hour, '-1 day': -24 * hour, '+1 year': 365 * 24 * hour }

/** When the clock is set: while the daemon runs, just before times are asked for, or while it is dead. */
const moments = ['alive', 'asking', 'dead'] as const

/** Blows of each round: 12 rounds see every jump at every moment. */
const blows = moments.flatMap((moment) => Object.entries(jumps).map(([name, ms]) => ({ moment, name, ms })))

/** Times to live that are awaited, s. */
const shortest = 3
const longest = 8
/** Those that no jump may end, s. */
const long = [20 * 60, 2 * 3600, 25 * 3600]
/** Limit of the expiry error, 99 of 100, ms; a test run, on whatever machine, may take as many times as long. */
const limitMs = 5000
const generosity = 12
/** An hour's jump is known to some ms only; times to live are seconds. */
const toleranceMs = 500
/** Time after which what was not acted on is lost, ms. */
const lostMs = 60_000
const lookMs = 50

export const figure: Figure = {
  id: 'T9',
  title: 'times to live through restarts and clock jumps of +1 h, -1 h, -1 day, +1 year: 0 early, 0 lost, late by at most 5 s',
  ci: { count: 200, restarts: 20, vms: 15, removed: 2, long: 6 },
  full: { count: 2000, restarts: 100, vms: 40, removed: 4, long: 24 },
  run,
}

async function run(context: Context): Promise<Result> {
  const clock = await createMovableClock(context.tempDir)
  await using world = await context.world({ wrap: clock.wrap })
  const trial = await furnish(context, world, clock)
  const rounds = Math.ceil((context.count - trial.long.length) / trial.perRound)
  for (let round = 0; round < rounds; round++) {
    const restarts = Math.floor(((round + 1) * (context.size.restarts ?? 0)) / rounds) - trial.restarts
    await playRound(trial, round, restarts)
    context.log(`round ${round + 1} of ${rounds}: ${trial.short.length} short times, ${trial.restarts} restarts, ${trial.violations.length} violations`)
  }
  await setBack(trial)
  const drifts = checkLong(trial)
  const { left } = await world.converge()
  const audit = auditLines(await world.audit())
  const lateness = latencyOf(trial.short.flatMap((term) => latenessOf(term, trial.served)))
  const limit = limitMs * (context.isFull ? 1 : generosity)
  if (lateness.p99 > limit) trial.violations.push(`99 of 100 were acted on within ${lateness.p99} ms, limit ${limit} ms`)
  const early = await untoldJump(trial)
  return result({
    counts: { times: trial.short.length + trial.long.length, awaited: trial.short.length, restarts: trial.restarts, jumps: trial.jumps },
    latencies: { late: lateness, drift: latencyOf(drifts) },
    violations: [...trial.violations, ...left],
    control: { name: `+1 h without the record of the clock, ${early} early`, failedAsItMust: early > 0 },
    audit,
  })
}

interface Trial {
  readonly world: World
  readonly clock: MovableClock
  readonly random: Random
  /** Workspaces that get short times again and again. */
  readonly ids: readonly string[]
  readonly perRound: number
  readonly removed: number
  readonly short: Term[]
  readonly long: readonly Term[]
  readonly violations: string[]
  restarts: number
  jumps: number
  /** When the daemon began to serve, each time, ms since the epoch. */
  readonly served: number[]
}

async function furnish(context: Context, world: World, clock: MovableClock): Promise<Trial> {
  const { vms = 1, removed = 0, long: longCount = 1 } = context.size
  const api = tenantOf(world)
  const ids: string[] = []
  for (let index = 0; index < vms; index++) {
    const answer = await api.send('POST', '/workspace', { body: smallest })
    if (answer.kind !== 'answered' || answer.status !== 201 || !answer.body.workspace) throw new Error(`no workspace: ${JSON.stringify(answer).slice(0, 300)}`)
    ids.push(answer.body.workspace.id)
  }
  const kept: Term[] = []
  const actions = ['pause', 'stop', 'remove'] as const
  for (let index = 0; index < longCount; index++) kept.push(await createWithTerm(api, long[index % long.length] as number, actions[index % 3] as 'pause'))
  const random = context.random.fork('terms')
  return { world, clock, random, ids, perRound: vms + removed, removed, short: [], long: kept, violations: [], restarts: 0, jumps: 0, served: [] }
}

const tenantOf = ({ tenants }: World) => tenants[0] ?? raise('no tenant')

function raise(message: string): never {
  throw new Error(message)
}

/** Every workspace gets a time; the clock is set once, the daemon killed as often as told, until every time has been acted on. */
async function playRound(trial: Trial, round: number, restarts: number): Promise<void> {
  const { world, random, violations } = trial
  const api = tenantOf(world)
  const blow = blows[round % blows.length] as (typeof blows)[number]
  await Promise.all(trial.ids.map((id) => wake(world, id)))
  if (blow.moment === 'asking') await jump(trial, blow.ms)
  const seconds = () => shortest + random.int(longest - shortest + 1)
  const set = trial.ids.map((id) => setTerm(api, id, seconds(), random.chance(0.7) ? 'pause' : 'stop'))
  const made = Array.from({ length: trial.removed }, () => createWithTerm(api, seconds(), 'remove'))
  const terms = await Promise.all([...set, ...made])
  trial.short.push(...terms)
  const watch = watchTerms(world, terms)
  const own = violations.length
  if (blow.moment === 'alive') {
    await systemClock.sleep(random.int(2000))
    await jump(trial, blow.ms)
  }
  for (let index = 0; index < restarts || (index === 0 && blow.moment === 'dead'); index++) {
    await systemClock.sleep(random.int(2500))
    await world.kill9()
    if (index === 0 && blow.moment === 'dead') await jump(trial, blow.ms)
    await world.start()
    trial.served.push(systemClock.now())
    trial.restarts++
  }
  await watch
  violations.push(...judgeShort(terms).map((line) => `round ${round + 1}, ${blow.name} ${blow.moment}: ${line}`))
  for (const drift of checkLong(trial))
    if (drift > toleranceMs) violations.push(`round ${round + 1}, ${blow.name} ${blow.moment}: a long time is ${drift} ms off`)
  if (violations.length > own) violations.splice(own, violations.length, ...new Set(violations.slice(own)))
}

async function jump(trial: Trial, ms: number): Promise<void> {
  await trial.clock.jump(ms)
  trial.jumps++
}

/** Brings a workspace that was paused or stopped to `running`. */
async function wake(world: World, id: string): Promise<void> {
  const status = readTerms(world.database).get(id)?.status
  if (status === 'running') return
  const answer = await tenantOf(world).send('POST', `/workspace/${id}/${status === 'paused' ? 'resume' : 'start'}`)
  if (answer.kind !== 'answered' || answer.status !== 200) throw new Error(`${id} does not run again: ${JSON.stringify(answer).slice(0, 300)}`)
}

/** Looks until every time has been acted on, or is lost. */
async function watchTerms(world: World, terms: readonly Term[]): Promise<void> {
  const giveUpAt = Math.max(...terms.map(({ latest }) => latest)) + lostMs
  for (;;) {
    const at = systemClock.now()
    noteActed(terms, readTerms(world.database), at)
    if (at > giveUpAt || terms.every(({ actedAt }) => actedAt !== undefined)) return
    await systemClock.sleep(lookMs)
  }
}

/** How late a time was acted on, ms; what was due while no daemon ran is due when one serves again. */
function latenessOf({ latest, actedAt }: Term, served: readonly number[]): number[] {
  if (actedAt === undefined) return []
  return [Math.max(0, actedAt - Math.max(latest, ...served.filter((at) => at <= actedAt)))]
}

function judgeShort(terms: readonly Term[]): string[] {
  return terms.flatMap(({ id, action, earliest, latest, actedAt }) => {
    if (actedAt === undefined) return [`${id} was to be ${leaves[action] ?? 'removed'} ${lostMs} ms ago and is not: lost`]
    const early = earliest - actedAt
    if (early > toleranceMs) return [`${id}: ${action} was ${early} ms early`]
    return actedAt - latest > lostMs ? [`${id}: ${action} was ${actedAt - latest} ms late`] : []
  })
}

/** Says of each long time how far it is off, ms; one that was acted on is a violation. */
function checkLong({ world, clock, long: terms, violations }: Trial): number[] {
  const rows = readTerms(world.database)
  return terms.flatMap((term) => {
    const drift = driftOf(term, rows, clock.offsetMs)
    if (drift !== undefined) return [Math.abs(drift)]
    violations.push(`${term.id} was to live long and is ${rows.get(term.id)?.status ?? 'gone'}: early`)
    return []
  })
}

/** Sets the clock to the host's again, and waits until the daemon has noticed: the auditor looks with the host's. */
async function setBack({ world, clock, long: terms }: Trial): Promise<void> {
  await clock.jump(-clock.offsetMs)
  const giveUpAt = performance.now() + lostMs
  const isOff = () => {
    const rows = readTerms(world.database)
    return terms.some((term) => Math.abs(driftOf(term, rows, 0) ?? 0) > toleranceMs)
  }
  while (isOff() && performance.now() < giveUpAt) await systemClock.sleep(lookMs)
}

/** The control: while the daemon is dead the clock is set and what it had written down of it is gone. Returns how many long times ended early. */
async function untoldJump({ world, clock, long: terms }: Trial): Promise<number> {
  await world.kill9()
  const db = new Sqlite(world.database)
  db.prepare("delete from meta where key = 'clock_anchor'").run()
  db.close()
  await clock.jump(hour)
  await world.start()
  const isEarly = (term: Term) => driftOf(term, readTerms(world.database), clock.offsetMs) === undefined
  const giveUpAt = performance.now() + lostMs
  while (!terms.some(isEarly) && performance.now() < giveUpAt) await systemClock.sleep(lookMs)
  return terms.filter(isEarly).length
}
