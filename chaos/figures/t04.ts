/** T4: kill -9 during recovery, again and again; then the daemon is left alone. */
import { systemClock } from '../../packages/server/src/lib/clock.ts'
import { killUnder, recover } from '../blow.ts'
import { type Context, type Figure, latencyOf, type Result, result } from '../figure.ts'
import { createLoad } from '../load.ts'

/** Share of the kills before which the daemon may serve the load for a moment, so that there is something to recover again. */
const freshShare = 0.2
/** Longest such moment, ms. */
const longestLoadMs = 1000
/** Time to rest after the last kill, as after one kill (T1), ms. */
const restLimitMs = 5000

export const figure: Figure = {
  id: 'T4',
  title: 'kill -9 during recovery, many times in a row: left alone, it comes to rest as after one kill',
  ci: { count: 40 },
  full: { count: 500 },
  run,
}

async function run(context: Context): Promise<Result> {
  await using world = await context.world({ tenants: 4, limit: 4 })
  const random = context.random.fork('killer')
  const load = createLoad({ world, random: context.random.fork('load') })
  await killUnder(load, world, systemClock.sleep(longestLoadMs))
  const first = await recover(world)
  await killUnder(load, world, systemClock.sleep(longestLoadMs))
  // Kills fall anywhere from the start of the process until it has come to rest.
  const spanMs = Math.min(first.restMs, 2 * first.servesMs)
  let reached = 0
  for (let kill = 1; kill <= context.count; kill++) {
    if (random.chance(freshShare)) {
      await world.start()
      await killUnder(load, world, systemClock.sleep(random.int(longestLoadMs)))
      continue
    }
    const started = world.start().then(
      () => true,
      () => false,
    )
    await systemClock.sleep(random.int(spanMs))
    await world.kill9()
    if (await started) reached++
    if (kill % 10 === 0) context.log(`kill ${kill}: ${reached} of them after it served`)
  }
  const last = await recover(world, { audit: true })
  await load.end()
  const violations = [...first.violations, ...last.violations, ...world.oracle.serverErrors]
  // On a busy machine the first recovery says what "as after one kill" means.
  const limit = context.isFull ? restLimitMs : Math.max(restLimitMs, 3 * first.restMs)
  if (last.restMs > limit) violations.push(`at rest after ${Math.round(last.restMs)} ms, limit ${Math.round(limit)} ms`)
  return result({
    counts: { kills: context.count, before_it_served: context.count - reached, workspaces: last.workspaces, requests: load.requests, ...world.oracle.counts },
    latencies: { rests_after_one: latencyOf([first.restMs]), rests_after_all: latencyOf([last.restMs]) },
    violations,
    audit: last.audit ?? 'clean',
  })
}
