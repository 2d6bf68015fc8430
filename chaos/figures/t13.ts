/** T13: thousands of lives, one after the other; the daemon holds at the end what it held at the beginning. */
import { stat } from 'node:fs/promises'
import { systemClock } from '../../packages/server/src/lib/clock.ts'
import type { Api } from '../api.ts'
import { auditLines } from '../audit.ts'
import { leakyChild } from '../faults/leaky-child.ts'
import { type Context, type Figure, latencyOf, type Result, result } from '../figure.ts'
import { leaveSlots } from '../host-view.ts'
import type { Random } from '../random.ts'
import { lowest, theilSen } from '../slope.ts'
import { readVitals, type Vitals } from '../vitals.ts'
import { smallest, type World } from '../world.ts'

/** Lives between two looks at the process. */
const lookEvery = 2
/** What a collector of garbage has not come to yet looks like growth; with little room it comes often. */
const smallHeap = { NODE_OPTIONS: '--max-semi-space-size=2 --max-old-space-size=128' }
/** Time an address rests, ms. */
const restMs = 60_000
/** Largest difference of open files between the first and the last tenth. */
const fdMargin = 5
/** Bytes that a life may leave in the database, whose events and operations are kept for 90 days, and in the log. */
const perLife = { database: 24 * 1024, log: 16 * 1024 }

export const figure: Figure = {
  id: 'T13',
  title: 'soak: lives one after the other; files, memory, processes, times, database and log stay bounded, addresses come again after their rest',
  // `slope` in KiB for each life, `percentile` and `ratio` (hundredths) for the creates of the last tenth against the first.
  ci: { count: 1000, warmUp: 200, parallel: 4, slope: 8, percentile: 90, ratio: 150, window: 25, addresses: 600 },
  full: { count: 20_000, warmUp: 2000, parallel: 4, slope: 1, percentile: 99, ratio: 120, window: 100, addresses: 1200 },
  run,
}

/** What was seen after so many lives. */
interface Look extends Vitals {
  readonly lives: number
}

async function run(context: Context): Promise<Result> {
  const { warmUp = 0, parallel = 4, slope = 1, percentile = 99, ratio = 120, window = 1, addresses = 600 } = context.size
  await using world = await context.world({ limit: 4 * parallel, env: smallHeap })
  leaveSlots(world.database, addresses)
  const soak = createSoak(world)
  const random = context.random.fork('lives')
  await soak.live(warmUp, parallel, random)
  const before = await bytesOf(world)
  const { looks, creates } = await soak.live(context.count, parallel, random, (lives) => {
    if (lives % 100 === 0) context.log(`${lives} lives, ${soak.violations.length} violations`)
  })
  const { left } = await world.converge()
  const after = await bytesOf(world)
  const tenth = Math.max(1, Math.floor(creates.length / 10))
  const [first, last] = [creates.slice(0, tenth), creates.slice(-tenth)]
  const growth = { database: (after.database - before.database) / context.count, log: (after.log - before.log) / context.count }
  const found = {
    kibPerLife: slopeOf(looks, window),
    fds: Math.abs(median(looks.slice(-50).map(({ fds }) => fds)) - median(looks.slice(0, 50).map(({ fds }) => fds))),
    zombies: looks.at(-1)?.zombies ?? 0,
    ratio: (100 * at(last, percentile)) / at(first, percentile),
  }
  const violations = [...left, ...soak.violations, ...world.oracle.serverErrors]
  if (found.kibPerLife > slope) violations.push(`memory grows by ${found.kibPerLife.toFixed(2)} KiB with each life, limit ${slope}`)
  if (found.fds > fdMargin) violations.push(`${found.fds} files more or less are open than at the beginning`)
  if (found.zombies > 0) violations.push(`${found.zombies} children were not waited for`)
  if (found.ratio > ratio)
    violations.push(`${percentile} of 100 creates of the last tenth take ${found.ratio.toFixed(0)} % of those of the first, limit ${ratio} %`)
  for (const what of ['database', 'log'] as const)
    if (growth[what] > perLife[what]) violations.push(`${Math.round(growth[what])} bytes of ${what} for each life, limit ${perLife[what]}`)
  if (warmUp + context.count > addresses && soak.again() === 0) violations.push(`no address came again, of ${addresses}`)
  return result({
    counts: {
      ...{ lives: context.count, warm_up: warmUp, verbs: soak.verbs(), addresses, addresses_again: soak.again(), waits_for_addresses: soak.waits() },
      ...{ rss_bytes_per_life: Math.round(found.kibPerLife * 1024), rss_mib: Math.round((looks.at(-1)?.rssKib ?? 0) / 1024), fds: looks.at(-1)?.fds ?? 0 },
      ...{ fds_difference: found.fds, zombies: found.zombies, create_ratio_percent: Math.round(found.ratio) },
      ...{ database_bytes_per_life: Math.round(growth.database), log_bytes_per_life: Math.round(growth.log) },
    },
    latencies: { first_creates: latencyOf(first), last_creates: latencyOf(last) },
    violations,
    control: await detectsLeaks(slope, window),
    audit: auditLines(await world.audit()),
  })
}

/** Lives of workspaces in a world, and what is wrong with them. */
function createSoak(world: World) {
  const violations: string[] = []
  /** When the delete of the last owner of each address was asked for. */
  const left = new Map<string, number>()
  let verbs = 0
  let waits = 0
  let again = 0

  const must = async (api: Api, method: string, path: string, body?: unknown) => {
    verbs++
    for (;;) {
      const answer = await api.send(method, path, body === undefined ? {} : { body })
      if (answer.kind === 'answered' && answer.status < 300) return answer
      const wantsAddress = answer.kind === 'answered' && answer.status === 503 && JSON.stringify(answer.body).includes('"slots"')
      if (!wantsAddress) return void violations.push(`${method} ${path}: ${JSON.stringify(answer).slice(0, 300)}`)
      // All of them rest.
      waits++
      await systemClock.sleep(1000)
    }
  }

  const one = async (api: Api, name: string, random: Random): Promise<number | undefined> => {
    const created = await must(api, 'POST', '/workspace', { ...smallest, name })
    const workspace = created?.body.workspace
    if (!created || !workspace) return undefined
    const since = performance.now() - (left.get(workspace.ip) ?? -restMs)
    if (left.has(workspace.ip)) again++
    if (since < restMs) violations.push(`${workspace.ip} was given away again after ${Math.round(since)} ms`)
    const path = `/workspace/${workspace.id}`
    const extra = random.weighted({ none: 8, power: 1, pause: 1 })
    for (const verb of { none: [], power: ['stop', 'start'], pause: ['pause', 'resume'] }[extra]) await must(api, 'POST', `${path}/${verb}`)
    left.set(workspace.ip, performance.now())
    await must(api, 'DELETE', path)
    return created.ms
  }

  return {
    violations,
    verbs: () => verbs,
    again: () => again,
    waits: () => waits,
    /** Runs `count` lives, `parallel` at a time; looks at the daemon again and again. */
    async live(count: number, parallel: number, random: Random, progress: (lives: number) => void = () => {}) {
      const looks: Look[] = []
      const creates: number[] = []
      const api = world.tenants[0] as Api
      let begun = 0
      const worker = async () => {
        while (begun < count && violations.length < 20) {
          const index = begun++
          const ms = await one(api, `life-${count}-${index}`, random.fork(`${index}`))
          if (ms !== undefined) creates.push(ms)
          if (index % lookEvery === 0) looks.push({ lives: index, ...(await readVitals(world.pid)) })
          progress(index + 1)
        }
      }
      await Promise.all(Array.from({ length: parallel }, worker))
      // Children of the last life are waited for in another turn.
      await systemClock.sleep(1000)
      looks.push({ lives: count, ...(await readVitals(world.pid)) })
      return { looks, creates }
    },
  }
}

/** A child that leaks must be told from one that does not. */
async function detectsLeaks(limit: number, window: number) {
  const rates = { sound: 0, leaky: 4 * limit }
  const found: Record<string, number> = {}
  for (const [name, kib] of Object.entries(rates)) found[name] = slopeOf(await leakyChild(kib), window)
  const { sound = 0, leaky = 0 } = found
  return {
    name: `a child that keeps ${rates.leaky} KiB of each life (found ${leaky.toFixed(1)}) beside one that keeps none (found ${sound.toFixed(1)})`,
    failedAsItMust: leaky > limit && sound <= limit,
  }
}

function slopeOf(looks: readonly { readonly lives: number; readonly rssKib: number }[], window: number): number {
  return theilSen(
    lowest(
      looks.map(({ lives, rssKib }) => ({ x: lives, y: rssKib })),
      window,
    ),
  )
}

async function bytesOf({ database, log }: World): Promise<{ database: number; log: number }> {
  const sizes = await Promise.all(
    ['', '-wal'].map((suffix) =>
      stat(`${database}${suffix}`).then(
        ({ size }) => size,
        () => 0,
      ),
    ),
  )
  return { database: sizes.reduce((sum, size) => sum + size, 0), log: log.reduce((sum, line) => sum + line.length + 1, 0) }
}

function at(times: readonly number[], percentile: number): number {
  const sorted = times.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil((sorted.length * percentile) / 100) - 1)] ?? Number.NaN
}

const median = (values: readonly number[]) => at(values, 50)
