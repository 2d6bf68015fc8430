/** T16: the end of a VM is seen at once, and how it ended is told, whoever launched it. */
import { systemClock } from '../../packages/server/src/lib/clock.ts'
import { staying } from '../../test/support/guest-log.ts'
import type { Api } from '../api.ts'
import { auditLines } from '../audit.ts'
import { endUnwitnessed, handleOf, lastExit, nextExit, type ToldExit, untilDead, type Verdict, type Way, ways } from '../deaths.ts'
import { type Context, type Figure, latencyOf, type Result, result } from '../figure.ts'
import { smallest, type World } from '../world.ts'

/** Limit of the time from the end of a VM to its event, 99 of 100, ms. */
const limitMs = 2000
/** Ends begin within this time of each other, ms. */
const spreadMs = 1000
/** How long the daemon stands still in the control, ms. */
const frozenMs = 4000
/** Time a guest of Linux has to come up and to end itself under TCG, ms. */
const guestMs = 120_000

/** What a guest does to itself, after it is up for a while. */
const guestEnds = {
  guest_poweroff: 'sleep 2; kill -USR2 1',
  guest_panic: 'sleep 2; echo 1 >/proc/sys/vm/panic_on_oom; /bin/busybox tail /dev/zero',
}

export const figure: Figure = {
  id: 'T16',
  title: 'a VM that dies is seen within 2 s (99 of 100), its cause is told in all cases; half children, half adopted',
  ci: { count: 50, vms: 10, guests: 2 },
  full: { count: 500, vms: 20, guests: 20 },
  run,
}

interface Found {
  readonly times: Record<'children' | 'adopted' | 'guests', number[]>
  readonly causes: Record<string, number>
  /** Until the API says that it is over and everything is cleared up. */
  readonly told: number[]
  unseen: number
  readonly violations: string[]
}

async function run(context: Context): Promise<Result> {
  const found: Found = { times: { children: [], adopted: [], guests: [] }, causes: {}, told: [], unseen: 0, violations: [] }
  await using world = await context.world()
  const ids = await furnish(world, context.size.vms ?? 1)
  for (let round = 0, left = context.count; left > 0; round++) {
    const victims = context.random.shuffle(ids).slice(0, left)
    left -= victims.length
    const by = round % 2 === 0 ? 'children' : 'adopted'
    if (by === 'adopted') await takeUp(world, ids, found)
    await endAll(context, world, victims, by, found)
    context.log(`round ${round + 1}: ${victims.length} ${by}, ${found.violations.length} violations`)
    await startAll(world, victims)
  }
  const { left } = await world.converge()
  const audit = auditLines(await world.audit())
  const control = await controls(world, ids)
  await world[Symbol.asyncDispose]()
  await endGuests(context, found)
  const times = Object.values(found.times).flat()
  const seen = latencyOf(times)
  if (seen.p99 > limitMs) found.violations.push(`99 of 100 were seen within ${seen.p99} ms, limit ${limitMs} ms`)
  return result({
    counts: { ends: times.length, children: found.times.children.length, adopted: found.times.adopted.length, while_dead: found.unseen, ...found.causes },
    latencies: {
      seen,
      told: latencyOf(found.told),
      children: latencyOf(found.times.children),
      adopted: latencyOf(found.times.adopted),
      guests: latencyOf(found.times.guests),
    },
    violations: [...found.violations, ...left],
    control,
    audit,
  })
}

const tenantOf = ({ tenants }: World): Api => tenants[0] ?? raise('no tenant')

function raise(message: string): never {
  throw new Error(message)
}

/** Workspaces whose VMs end and are started again; some by their policy, if nobody is quicker. */
async function furnish(world: World, count: number): Promise<string[]> {
  const ids: string[] = []
  const policies = ['no', 'always', 'on-failure']
  for (let index = 0; index < count; index++) {
    const config = { ...smallest.config, restart_policy: policies[index % policies.length] }
    const answer = await tenantOf(world).send('POST', '/workspace', { body: { ...smallest, mode: 'permanent', config } })
    const id = answer.kind === 'answered' && answer.status === 201 ? answer.body.workspace?.id : undefined
    ids.push(id ?? raise(`no workspace: ${JSON.stringify(answer).slice(0, 300)}`))
  }
  return ids
}

async function startAll(world: World, ids: readonly string[]): Promise<void> {
  await Promise.all(
    ids.map(async (id) => {
      const answer = await tenantOf(world).send('POST', `/workspace/${id}/start`)
      if (answer.kind !== 'answered' || answer.status !== 200) throw new Error(`${id} does not start again: ${JSON.stringify(answer).slice(0, 300)}`)
    }),
  )
}

/** A new daemon takes up what the one before launched; one VM ends while there is none. */
async function takeUp(world: World, ids: readonly string[], found: Found): Promise<void> {
  const names = Object.keys(ways) as (keyof typeof ways)[]
  const [id = '', name = 'SIGKILL'] = [ids[found.unseen % ids.length], names[found.unseen % names.length]]
  const before = await lastExit(tenantOf(world), id)
  await world.kill9()
  const handle = await handleOf(world, id)
  await ways[name].end(handle)
  await untilDead(handle.pid)
  await world.start()
  const exit = await nextExit(tenantOf(world), id, before)
  found.violations.push(...judge(`${id}, ${name} while no daemon ran`, ways[name], exit))
  found.unseen++
  await world.converge()
  await startAll(world, [id])
}

async function endAll(context: Context, world: World, victims: readonly string[], by: 'children' | 'adopted', found: Found): Promise<void> {
  const random = context.random.fork(`ends-${found.times.children.length}-${found.times.adopted.length}`)
  const names = random.shuffle(victims.map((_, index) => Object.keys(ways)[index % Object.keys(ways).length] as keyof typeof ways))
  const delays = victims.map(() => random.int(spreadMs))
  await Promise.all(
    victims.map(async (id, index) => {
      await systemClock.sleep(delays[index] as number)
      const name = names[index] as keyof typeof ways
      const { ms, toldMs, wrong } = await endOne(world, id, name, ways[name])
      found.causes[name] = (found.causes[name] ?? 0) + 1
      if (ms !== undefined) found.times[by].push(ms)
      found.told.push(toldMs)
      found.violations.push(...wrong.map((line) => `${by}: ${line}`))
    }),
  )
}

/** Ends one VM, and says after how long the daemon saw it and the API told it (ms), and what is wrong with what is told. */
async function endOne(
  world: World,
  id: string,
  name: string,
  way: Way,
): Promise<{ readonly ms: number | undefined; readonly toldMs: number; readonly wrong: string[] }> {
  const api = tenantOf(world)
  const before = await lastExit(api, id)
  const endedAt = await way.end(await handleOf(world, id))
  const exit = await nextExit(api, id, before)
  const toldMs = systemClock.now() - endedAt
  return { ms: exit && Math.max(0, Date.parse(exit.at) - endedAt), toldMs, wrong: judge(`${id} by ${name}`, way, exit) }
}

function judge(what: string, wanted: Verdict, exit: ToldExit | undefined): string[] {
  if (!exit) return [`${what}: its end is not told`]
  const isRight = exit.cause === wanted.cause && exit.signal === wanted.signal
  return isRight ? [] : [`${what}: told as ${exit.cause} ${exit.signal}, was ${wanted.cause} ${wanted.signal}: ${exit.message}`]
}

/** An end that is seen late, and one that nobody can name: both must be found. */
async function controls(world: World, ids: readonly string[]): Promise<{ readonly name: string; readonly failedAsItMust: boolean }> {
  const [first = '', second = ''] = ids
  const late = endOne(world, first, 'SIGKILL', {
    ...ways.SIGKILL,
    async end(handle) {
      world.signal('SIGSTOP')
      const endedAt = await ways.SIGKILL.end(handle)
      await systemClock.sleep(frozenMs)
      world.signal('SIGCONT')
      return endedAt
    },
  })
  const { ms = 0 } = await late
  const { wrong } = await endOne(world, second, 'SIGKILL', { ...ways.SIGKILL, end: endUnwitnessed })
  return {
    name: `a frozen daemon: seen after ${ms} ms; an end without a witness: ${wrong.length} told wrongly`,
    failedAsItMust: ms > limitMs && wrong.length > 0,
  }
}

/** Guests of Linux that power off, or whose kernel panics. */
async function endGuests(context: Context, found: Found): Promise<void> {
  await using world = await context.world({ driver: 'real' })
  const api = tenantOf(world)
  const causes = Object.keys(guestEnds) as (keyof typeof guestEnds)[]
  for (let index = 0; index < (context.size.guests ?? 0); index++) {
    const cause = causes[index % causes.length] as keyof typeof guestEnds
    const config = { ...smallest.config, cmd: staying(guestEnds[cause]) }
    const answer = await api.send('POST', '/workspace', { body: { ...smallest, config }, timeoutMs: guestMs })
    const id = (answer.kind === 'answered' ? answer.body.workspace?.id : undefined) ?? raise(`no guest: ${JSON.stringify(answer).slice(0, 300)}`)
    const diedAt = await untilDead((await handleOf(world, id)).pid, guestMs)
    const exit = await nextExit(api, id, undefined)
    found.violations.push(...judge(`${id} by ${cause}`, { cause, signal: null }, exit))
    found.causes[cause] = (found.causes[cause] ?? 0) + 1
    if (exit) found.times.guests.push(Math.max(0, Date.parse(exit.at) - diedAt))
    await api.send('DELETE', `/workspace/${id}`)
    context.log(`${cause}: ${exit?.cause}, ${found.violations.length} violations`)
  }
}
