/** T5: a daemon that comes back to many running VMs, some of which do not answer. */
import { systemClock } from '../../packages/server/src/lib/clock.ts'
import { auditLines } from '../audit.ts'
import { judge } from '../blow.ts'
import { type Context, type Figure, latencyOf, type Result, result } from '../figure.ts'
import { readIdentities } from '../identity.ts'
import { untilEach } from '../until.ts'
import { smallest, type World } from '../world.ts'

/** Limits of the published run, ms from the start of the process. */
const limits = { health: 1000, list: 2000, adopted: 5000, flagged: 15_000 }
/** In a run of the tests the machine is shared: so many times the limit may pass before it is told as a failure to happen at all. */
const generosity = 12
/** VMs of which one is made to hang. */
const wedgedShare = 0.1

export const figure: Figure = {
  id: 'T5',
  title: 'back among many running VMs: health, the list, all of them adopted; wedged ones delay nobody and are told',
  ci: { count: 40, rounds: 1 },
  full: { count: 100, rounds: 5 },
  run,
}

interface Times {
  health: number
  list: number
  adopted: number
  flagged?: number
}

async function run(context: Context): Promise<Result> {
  await using world = await context.world({ limit: 1000 })
  const violations: string[] = []
  const ids = await fill(context, world)
  const wedged = context.random.shuffle(ids).slice(0, Math.ceil(ids.length * wedgedShare))
  const plain: Times[] = []
  const withWedged: Times[] = []
  for (let round = 1; round <= (context.size.rounds ?? 1); round++) {
    violations.push(...(await judge(world)).violations)
    plain.push(await comeBack(context, world, ids, []))
    violations.push(...(await judge(world)).violations)
    const stopped = await signalVms(world, wedged, 'SIGSTOP')
    try {
      withWedged.push(await comeBack(context, world, ids, wedged))
    } finally {
      await signalVms(world, stopped, 'SIGCONT')
    }
    const recovered = await untilEach(
      wedged,
      limits.flagged * generosity,
      200,
      async () => await unhealthy(world),
      (bad, id) => !bad.has(id),
    )
    if (recovered.missing.length > 0) violations.push(`${recovered.missing.length} VMs that go on are still told as unresponsive`)
    context.log(`round ${round}: ${JSON.stringify(plain.at(-1))}, with ${wedged.length} wedged ${JSON.stringify(withWedged.at(-1))}`)
  }
  const runs = [
    ['', plain],
    ['wedged_', withWedged],
  ] as const
  const latencies = Object.fromEntries(
    runs.flatMap(([prefix, times]) =>
      (Object.keys(limits) as (keyof typeof limits)[]).flatMap((name) => {
        const values = times.flatMap((time) => time[name] ?? [])
        return values.length > 0 ? [[`${prefix}${name}`, latencyOf(values)] as const] : []
      }),
    ),
  )
  for (const [name, { p50 }] of Object.entries(latencies)) {
    const limit = limits[name.replace('wedged_', '') as keyof typeof limits] * (context.isFull ? 1 : generosity)
    if (p50 > limit) violations.push(`${name}: median ${p50} ms, limit ${limit} ms`)
  }
  const audit = auditLines(await world.audit())
  return result({ counts: { vms: ids.length, wedged: wedged.length, rounds: plain.length }, latencies, violations, audit })
}

/** Makes the VMs, some at a time. */
async function fill(context: Context, world: World): Promise<string[]> {
  const [api] = world.tenants
  const names = Array.from({ length: context.count }, (_, index) => `vm-${index}`)
  const ids: string[] = []
  await Promise.all(
    [1, 2, 3, 4].map(async () => {
      for (let name = names.shift(); name !== undefined; name = names.shift()) {
        const act = world.oracle.sent({ verb: 'create', account: api?.account ?? '', name })
        const answer = await api?.send('POST', '/workspace', { body: { ...smallest, name }, key: name })
        if (!answer) throw new Error('no account')
        world.oracle.ended(act, answer)
        if (answer.kind !== 'answered' || answer.status !== 201) throw new Error(`${name} was not created: ${JSON.stringify(answer)}`)
        ids.push(answer.body.workspace?.id ?? '')
        if (ids.length % 20 === 0) context.log(`${ids.length} VMs run`)
      }
    }),
  )
  return ids
}

/** Kills the daemon, starts it, and takes the time of each first good answer since the start of the process. */
async function comeBack(context: Context, world: World, ids: readonly string[], wedged: readonly string[]): Promise<Times> {
  const before = await readIdentities(world.dataDir, ids)
  await world.kill9()
  const began = performance.now()
  const since = () => Math.round(performance.now() - began)
  const patience = limits.flagged * generosity
  const started = world.start()
  const [api] = world.tenants
  const health = untilEach(
    ['health'],
    patience,
    10,
    async () => {
      const answer = await fetch(new URL('/health', world.url)).catch(() => undefined)
      return answer?.ok ?? false
    },
    (ok) => ok,
  ).then(since)
  const list = untilEach(
    ['list'],
    patience,
    20,
    async () => {
      const views = await api?.list().catch(() => undefined)
      const running = new Set(views?.flatMap(({ id, status }) => (status === 'running' ? [id] : [])))
      return running.size === ids.length && ids.every((id) => running.has(id))
    },
    (ok) => ok,
  ).then(since)
  const recoveries = () => world.log.filter((line) => line.includes('"msg":"ready for virtual machines"')).length
  const earlier = recoveries()
  const adopted = untilEach(
    ['adopted'],
    patience,
    10,
    async () => recoveries() > earlier,
    (ok) => ok,
  ).then(since)
  const times: Times = { health: await health, list: await list, adopted: await adopted }
  await started
  await assertHeld(
    world,
    ids.filter((id) => !wedged.includes(id)),
  )
  if (wedged.length > 0) {
    const { missing } = await untilEach(
      wedged,
      patience,
      100,
      () => unhealthy(world),
      (bad, id) => bad.has(id),
    )
    if (missing.length > 0) throw new Error(`${missing.length} wedged VMs were not told as unresponsive`)
    times.flagged = since()
    const others = [...(await unhealthy(world))].filter((id) => !wedged.includes(id))
    if (others.length > 0) throw new Error(`healthy VMs are told as unresponsive: ${others.join(', ')}`)
  }
  const after = await readIdentities(world.dataDir, ids)
  for (const id of ids) if (after.get(id)?.key !== before.get(id)?.key) throw new Error(`${id} is not the process it was`)
  if (ids.some((id) => !before.has(id))) throw new Error('not every VM ran before')
  context.log(`back: ${JSON.stringify(times)}`)
  return times
}

/** Only a VM that the daemon has taken up can be read. */
async function assertHeld(world: World, ids: readonly string[]): Promise<void> {
  const [api] = world.tenants
  for (const id of ids) {
    const answer = await api?.send('GET', `/workspace/${id}/stats`)
    if (answer?.kind !== 'answered' || answer.status !== 200) throw new Error(`${id} was not adopted: ${JSON.stringify(answer)}`)
  }
}

async function unhealthy(world: World): Promise<ReadonlySet<string>> {
  const views = (await world.tenants[0]?.list().catch(() => undefined)) ?? []
  return new Set(views.flatMap(({ id, info }) => (info.failure?.code === 'vm_unresponsive' ? [id] : [])))
}

/** Sends a signal to the VMs of some workspaces, whose processes were just read to be theirs. */
async function signalVms(world: World, ids: readonly string[], name: 'SIGSTOP' | 'SIGCONT'): Promise<string[]> {
  const identities = await readIdentities(world.dataDir, ids)
  for (const { pid } of identities.values()) process.kill(pid, name)
  await systemClock.sleep(50)
  return [...identities.keys()]
}
