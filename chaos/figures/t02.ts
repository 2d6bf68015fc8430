/** T2: each named step of each operation fails, dies, hangs or is done twice; afterwards the operation ends as it does without. */
import { auditLines } from '../audit.ts'
import { judge } from '../blow.ts'
import { Operations, type Target, targets } from '../faults/operations.ts'
import { type Context, type Figure, latencyOf, type Result, result } from '../figure.ts'
import { isMoving, openOperations, pastDeadline, readRows } from '../host-view.ts'
import { effects } from '../oracle.ts'
import { stepsInCode, stepsNoted } from '../steps.ts'
import { untilEach } from '../until.ts'
import type { World } from '../world.ts'

type Fault = 'error' | 'kill' | 'twice' | 'hang'
const faults = ['error', 'kill', 'twice'] as const
const operations = Object.keys(targets) as Target[]

/** Steps that no operation on a sound host with stub guests comes to, and why. All others must be visited. */
const elsewhere: Readonly<Record<string, string>> = {
  'adopt.record': 'only when a record was lost',
  'bootfiles.kernel': 'only when the kernel was replaced',
  'bootfiles.initrd': 'only when the initramfs was replaced',
  'boot.logs': 'only with keep_logs false',
  'discard.process': 'only for strangers',
  'discard.files': 'only for strangers',
  'disk.grow': 'only when a disk was made larger',
  'disk.seed.create': 'only for the first disk of a host',
  'network.namespace.remove': 'only when the host is cleaned',
  'network.uplink.remove': 'only when the host is cleaned',
  'network.tap.reopen': 'only after a repair',
  'network.update': 'only when rules are changed',
  'network.rules.update': 'only when rules are changed',
  'shutdown.stray': 'only after a launch that was cut off',
  'vmm.abort': 'only when a launch fails',
  'vmm.cgroup.discard': 'only for strangers',
  'vmm.probe': 'only on a host without a probe',
  'vmm.probe.remember': 'only on a host without a probe',
}
/** The store of images has its own sweep of kills. */
const isOfImages = (step: string) => step.startsWith('image.')

/** Deadlines are short, so that what hangs is seen to be given up: a boot, its undoing and two passes, ms. */
const overdueMs = 160_000

export const figure: Figure = {
  id: 'T2',
  title: 'each named step of each operation x error, kill, hang, twice: the same end as without, nothing left, no operation open',
  // `count`: cells of a run, chosen by the seed; `hangs`: steps that hang.
  ci: { count: 36, hangs: 1 },
  full: { count: 10_000, hangs: 10_000 },
  run,
}

interface Cell {
  readonly target: Target
  readonly step: string
}

async function run(context: Context): Promise<Result> {
  const violations: string[] = []
  const times: number[] = []
  await using world = await context.world({ config: { bootTimeoutSeconds: 15, stopGraceSeconds: 1 } })
  const ops = new Operations(world)
  const { cells, visited } = await record(world, ops)
  const code = await stepsInCode()
  const missed = code.filter((step) => !visited.has(step) && !isOfImages(step) && elsewhere[step] === undefined)
  violations.push(...missed.map((step) => `the step ${step} was not visited, and nothing says why`))
  context.log(`${code.length} steps in the code, ${visited.size} visited, ${cells.length} cells x ${faults.length} faults`)

  const all = context.random.shuffle(cells.flatMap((cell) => faults.map((fault) => ({ ...cell, fault })))).slice(0, context.count)
  for (const [at, { target, step, fault }] of all.entries()) {
    const began = performance.now()
    violations.push(...(await tryCell(ops, target, step, fault)).map((line) => `${target}, ${step} ${fault}: ${line}`))
    times.push(performance.now() - began)
    if (at % 10 === 9) context.log(`${at + 1} of ${all.length}, ${violations.length} violations`)
  }
  const hangs = context.random.shuffle(cells).slice(0, context.size.hangs)
  for (const { target, step } of hangs) {
    violations.push(...(await tryCell(ops, target, step, 'hang')).map((line) => `${target}, ${step} hang: ${line}`))
    context.log(`${target} ${step} hung, ${violations.length} violations`)
  }
  const audit = auditLines(await world.audit())
  return result({
    counts: {
      steps: code.length,
      visited: code.filter((step) => visited.has(step)).length,
      explained: Object.keys(elsewhere).length,
      cells: all.length,
      hangs: hangs.length,
    },
    latencies: { cell: latencyOf(times) },
    violations: [
      ...violations,
      ...world.oracle.serverErrors.filter((line) => !/failpoint|CREATE_FAILED|START_FAILED|STOP_FAILED|VM_UNAVAILABLE|internal_error/.test(line)),
    ],
    control: await leavesOut(context),
    audit,
  })
}

/** Does every operation once, and notes which steps each of them does. */
async function record(world: World, ops: Operations): Promise<{ cells: Cell[]; visited: Set<string> }> {
  await world.kill9()
  const from = world.log.length
  await world.start({ ALCOVE_FAILPOINTS: 'all=note' })
  await world.converge()
  const cells: Cell[] = []
  for (const target of operations) {
    await ops.bring(target)
    const at = world.log.length
    await ops.apply(target)
    // What goes on in the background is noted with the next one.
    for (const step of stepsNoted(world, at)) cells.push({ target, step })
  }
  return { cells, visited: stepsNoted(world, from) }
}

/** One fault in one step: then a daemon without it must come to rest, and the operation, asked for once more where it was not done, to its end. */
async function tryCell(ops: Operations, target: Target, step: string, fault: Fault): Promise<string[]> {
  const { world } = ops
  const wrong: string[] = []
  if (!world.isAlive) await world.start()
  await world.converge()
  await ops.bring(target)
  await world.kill9()
  await world.start({ ALCOVE_FAILPOINTS: `${step}=${fault}` })
  if (fault === 'hang') wrong.push(...(await hung(ops, target)))
  else await ops.apply(target)
  await world.kill9()
  await world.start()
  wrong.push(...(await world.converge()).left)
  wrong.push(...pastDeadline(world.database, Date.now()).map((id) => `${id} is past its deadline`))
  // Those that no workspace is at any more are ended by the first pass, which goes on beside the moves.
  const { missing: open } = await untilEach(
    openOperations(world.database),
    10_000,
    100,
    async () => openOperations(world.database),
    (now, id) => !now.includes(id),
  )
  wrong.push(...open.map((id) => `operation ${id} has not ended, though nothing moves`))
  const reached = () => readRows(world.database).map(({ status }) => status)[0] ?? 'gone'
  const isFailedBoot = reached() === 'failed' && fault !== 'twice' && effects[target] === 'running'
  // A boot that fails leaves `failed`, which is a way on like any other; the oracle knows requests only.
  if (!isFailedBoot) wrong.push(...(await judge(world)).violations)
  if (reached() !== effects[target]) {
    const answer = await ops.apply(target)
    wrong.push(...(await world.converge()).left)
    if (reached() !== effects[target]) wrong.push(`asked for again it ends ${reached()}: ${JSON.stringify(answer).slice(0, 200)}`)
    wrong.push(...(await judge(world)).violations)
  }
  return wrong
}

/** An operation with a step that never ends: nobody waits for it for ever, and its row rests by its deadline. */
async function hung(ops: Operations, target: Target): Promise<string[]> {
  const { world } = ops
  const asked = ops.apply(target)
  const look = async () => readRows(world.database)
  const { missing } = await untilEach(['row'], overdueMs, 1000, look, (rows) => rows.every(({ status }) => !isMoving(status) || status === 'deleting'))
  await world.kill9()
  await asked
  await world.start()
  return missing.length > 0 ? ['it moves still after its deadline'] : []
}

/** A step that is left out silently must be noticed. */
async function leavesOut(context: Context) {
  await using world = await context.world()
  const ops = new Operations(world)
  await ops.bring('delete')
  await world.kill9()
  await world.start({ ALCOVE_FAILPOINTS: 'destroy.files=skip' })
  await ops.apply('delete')
  const { left } = await world.converge({ isHopeless: true })
  return { name: `destroy.files left out, ${left.length} violations`, failedAsItMust: left.length > 0 }
}
