/** T1: kill -9 of the control plane at random points, under a load that does a bit of everything. */
import { systemClock } from '../../packages/server/src/lib/clock.ts'
import { killUnder, recover } from '../blow.ts'
import { type Context, type Figure, latencyOf, type Result, result } from '../figure.ts'
import { createLoad } from '../load.ts'
import type { WorldOptions } from '../world.ts'

/** Time under load before a kill: up to this, ms; booting Linux takes longer. */
const latestKillMs = { stub: 2000, real: 5000 }
/** Kills between two questions to the auditor. */
const auditEvery = 10
/** The step that writes down which process is the VM: without it a restart cannot know its VMs. */
const brokenStep = 'boot.handle'
const controlKills = 5
/** Limit of the published run for the time to rest, 99 of 100 kills of D1, ms from the start of the process. */
const restLimitMs = 5000

export const figure: Figure = {
  id: 'T1',
  title: 'kill -9 at random points: nothing lost, orphaned, doubled, leaked or miscounted',
  ci: { count: 60, realCount: 0 },
  full: { count: 1000, realCount: 100 },
  run,
}

async function run(context: Context): Promise<Result> {
  const stub = await campaign(context, 'stub', context.count, { tenants: 4, limit: 4 })
  const real = context.size.realCount ? await campaign(context, 'real', context.size.realCount, { tenants: 2, limit: 2 }) : undefined
  const control = await campaign(context, 'stub', controlKills, { tenants: 4, limit: 4, env: { ALCOVE_FAILPOINTS: `${brokenStep}=skip` } })
  const rests = latencyOf(stub.rests)
  const findings = [...stub.findings, ...(real?.findings ?? [])]
  const late = context.isFull && rests.p99 > restLimitMs ? [`at rest after ${rests.p99} ms in 99 of 100 kills, limit ${restLimitMs} ms`] : []
  return result({
    counts: { ...stub.counts, ...(real ? Object.fromEntries(Object.entries(real.counts).map(([name, value]) => [`real_${name}`, value])) : {}) },
    latencies: {
      serves: latencyOf(stub.serves),
      rests,
      ...(real ? { real_serves: latencyOf(real.serves), real_rests: latencyOf(real.rests) } : {}),
    },
    violations: [...stub.violations, ...(real?.violations ?? []), ...late],
    control: { name: `without ${brokenStep}, ${controlKills} kills, ${control.violations.length} violations`, failedAsItMust: control.violations.length > 0 },
    audit: findings.length > 0 ? findings : 'clean',
  })
}

interface Campaign {
  readonly counts: Record<string, number>
  readonly serves: readonly number[]
  readonly rests: readonly number[]
  readonly violations: readonly string[]
  /** What the auditor said in all. */
  readonly findings: readonly string[]
}

async function campaign(context: Context, driver: 'stub' | 'real', kills: number, options: WorldOptions): Promise<Campaign> {
  await using world = await context.world({ ...options, driver })
  const isControl = options.env !== undefined
  const random = context.random.fork(`${driver}${isControl ? '-control' : ''}`)
  const load = createLoad({ world, random: random.fork('load'), clients: driver === 'stub' ? 8 : 3 })
  const violations: string[] = []
  const serves: number[] = []
  const rests: number[] = []
  const findings: string[] = []
  for (let kill = 1; kill <= kills; kill++) {
    await killUnder(load, world, systemClock.sleep(random.int(latestKillMs[driver])))
    const found = await recover(world, { audit: !isControl && (kill % auditEvery === 0 || kill === kills), isHopeless: isControl })
    serves.push(found.servesMs)
    rests.push(found.restMs)
    if (found.audit !== undefined && found.audit !== 'clean') findings.push(...found.audit)
    violations.push(...found.violations.map((line) => `${driver} kill ${kill}: ${line}`))
    if (kill % auditEvery === 0 || found.violations.length > 0) {
      context.log(
        `${driver} kill ${kill}: ${violations.length} violations, ${load.requests} requests, ${found.workspaces} workspaces, at rest after ${Math.round(found.restMs)} ms`,
      )
    }
    for (const line of found.violations.slice(0, 5)) context.log(`  ${line}`)
    if (isControl && violations.length > 0) break
  }
  await load.end()
  violations.push(...world.oracle.serverErrors)
  const { counts } = world.oracle
  // A load that made nothing has shown nothing.
  for (const needed of ['create_acknowledged', 'delete_acknowledged', 'stop_acknowledged'])
    if (!counts[needed]) violations.push(`no ${needed}: the load did not do its work`)
  return { counts: { kills, requests: load.requests, ...counts }, serves, rests, violations, findings }
}
