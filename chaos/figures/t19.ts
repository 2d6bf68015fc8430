/** T19: the auditor itself. A leak of each kind is planted, must be found and named, and removed again; a clean system is called clean. */
import { type Invariant, invariants } from '../../packages/server/src/audit/finding.ts'
import { type Leak, leaks, type Subject } from '../../test/support/audit-leaks.ts'
import { debuggerLeak, tryLeak } from '../../test/support/audit-trial.ts'
import { auditLines } from '../audit.ts'
import { type Context, type Figure, type Result, result } from '../figure.ts'
import { smallest, type World } from '../world.ts'

export const figure: Figure = {
  id: 'T19',
  title: 'the auditor: one planted leak for each of N1-N14, each found and named, no false alarm on a clean system',
  ci: { count: 1 },
  full: { count: 3 },
  run,
}

async function run(context: Context): Promise<Result> {
  // The debugger that one leak opens is to take a port that nobody uses.
  const world = await context.world({ env: { NODE_OPTIONS: '--inspect-port=0' } })
  const subject = await furnish(world)
  const found = new Set<Invariant>()
  const violations: string[] = []
  let [planted, named] = [0, 0]
  const tryOne = async (leak: Leak) => {
    const { isFound, falseAlarms } = await tryLeak(leak, subject)
    planted++
    if (isFound) named++
    else violations.push(`${leak.invariant} was not found: ${leak.name}`)
    if (isFound) found.add(leak.invariant)
    violations.push(...falseAlarms.map((line) => `false alarm, ${leak.name}, ${line}`))
    context.log(`${leak.invariant} ${leak.name}: ${isFound ? 'found' : 'NOT FOUND'}`)
  }
  const mustBeClean = async (when: string) => {
    const lines = auditLines(await world.audit())
    if (lines !== 'clean') violations.push(...lines.map((line) => `false alarm, ${when}: ${line}`))
  }
  const restart = async () => {
    await world.kill9()
    await world.start()
    await world.converge()
  }
  for (let round = 0; round < context.count; round++) {
    await mustBeClean('the daemon runs')
    await tryOne(debuggerLeak(() => world.pid, restart))
    await world.kill9()
    for (const leak of context.random.shuffle(leaks)) await tryOne(leak)
    await mustBeClean('no daemon runs')
    await world.start()
    await world.converge()
  }
  await mustBeClean('the daemon runs again')
  const missing = (Object.keys(invariants) as Invariant[]).filter((invariant) => !found.has(invariant))
  violations.push(...missing.map((invariant) => `${invariant}: no leak was found`))
  return result({ counts: { invariants: found.size, planted, named }, violations, audit: auditLines(await world.audit()) })
}

/** One workspace that runs, and one that is stopped and keeps its address. */
async function furnish(world: World): Promise<Subject> {
  const [tenant] = world.tenants
  const make = async (more: object) => {
    const answer = await tenant?.send('POST', '/workspace', { body: { ...smallest, ...more } })
    const id = answer?.kind === 'answered' ? answer.body.workspace?.id : undefined
    if (id === undefined) throw new Error(`no workspace was made: ${JSON.stringify(answer)}`)
    return id
  }
  const running = await make({})
  const stopped = await make({ mode: 'permanent' })
  await tenant?.send('POST', `/workspace/${stopped}/stop`)
  await world.converge()
  return { dataDir: world.dataDir, installId: world.installId, running, stopped }
}
