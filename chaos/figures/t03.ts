/** T3: the control plane is killed at each system call by which an operation changes something; every one of them is survived. */

import { findProcess } from '../../packages/server/src/vmm/qemu/proc.ts'
import { eventually } from '../../test/support/vmm.ts'
import { recover } from '../blow.ts'
import { need } from '../faults/need.ts'
import { Operations, type Target, targets } from '../faults/operations.ts'
import { inject, onePoolThread, type Threads } from '../faults/strace.ts'
import { type Context, type Figure, latencyOf, result } from '../figure.ts'

const names = Object.keys(targets) as Target[]

/**
 * System calls that change something, by the thread that makes them: SQLite, spawning and sockets are the main thread's, files the pool's.
 * `write` is left out: nearly all of them wake the event loop, and of a file that is being written nothing is believed before its fsync.
 */
const calls: Readonly<Record<Threads, readonly string[]>> = {
  main: ['pwrite64', 'fsync', 'fdatasync', 'ftruncate', 'clone', 'clone3', 'vfork', 'connect', 'kill', 'unlink', 'mkdir', 'rmdir', 'rename', 'chown'],
  pool: ['pwrite64', 'fsync', 'fdatasync', 'ftruncate', 'rename', 'unlink', 'mkdir', 'rmdir', 'link', 'chmod', 'chown', 'copy_file_range'],
}

const everyCall = (['main', 'pool'] as const).flatMap((threads) => calls[threads].map((call) => [threads, call] as const))

export const figure: Figure = {
  id: 'T3',
  title: 'kill at every state-changing system call of every operation: same end as without',
  // One operation, which rotates with the seed; `stride` 3 tries every third call of a kind, beginning at another one
  // in each run; `seconds` bound one operation, and what was not finished in them is counted.
  ci: { count: 1, stride: 3, seconds: 180 },
  full: { count: names.length, stride: 1, seconds: 7200 },
  async run(context) {
    await need('strace')
    const chosen = Array.from({ length: Math.min(context.count, names.length) }, (_, index) => names[(context.seed + index) % names.length] as Target)
    const found: Found = { counts: {}, violations: [], rests: [] }
    const world = await context.world({ env: onePoolThread })
    const operations = new Operations(world)
    // The image is made ready by the first create of all; later ones are alike.
    await operations.bring('create')
    await operations.apply('create')
    for (const target of chosen) await sweep(context, operations, target, found)
    await world.kill9()
    const audit = await recover(world, { audit: true })
    return result({
      counts: found.counts,
      latencies: { rests: latencyOf(found.rests) },
      violations: [...found.violations, ...audit.violations],
    })
  },
}

interface Found {
  readonly counts: Record<string, number>
  readonly violations: string[]
  readonly rests: number[]
}

/** Kills at the first, second, … call of each kind, until the operation makes no more of them. */
async function sweep(context: Context, operations: Operations, target: Target, found: Found): Promise<void> {
  const { stride = 1, seconds = 0 } = context.size
  const random = context.random.fork(target)
  const endsAt = performance.now() + seconds * 1000
  let points = 0
  let unfinished = 0
  // In another order each time: where the time is short, other calls come first.
  for (const [threads, call] of random.shuffle(everyCall)) {
    let when = 1 + random.int(stride)
    let outcome: 'killed' | 'completed' = 'killed'
    for (; outcome === 'killed' && performance.now() < endsAt; when += stride) {
      outcome = await killAt(operations, target, threads, call, when, found)
      if (outcome === 'killed') points++
    }
    if (outcome === 'killed') unfinished++
    context.log(`${target}: ${threads} ${call}: ${points} kills, ${found.violations.length} violations`)
  }
  found.counts[`${target}_calls_unfinished`] = unfinished
  found.counts[`${target}_kills`] = points
}

/** Arms one kill, runs the operation into it, and looks at what the next start makes of it. */
async function killAt(operations: Operations, target: Target, threads: Threads, call: string, when: number, found: Found): Promise<'killed' | 'completed'> {
  const { world } = operations
  if (!world.isAlive) found.violations.push(...(await recover(world)).violations)
  await operations.bring(target)
  const { pid } = world
  const armed = await inject({ pid, threads, call, fault: 'signal=KILL', when })
  let isAnswered = false
  try {
    isAnswered = (await operations.apply(target)).kind === 'answered'
  } finally {
    await armed.end()
  }
  if (isAnswered && (await findProcess(pid))) return 'completed'
  await eventually('the end of the daemon is known', async () => !world.isAlive)
  const { violations, restMs } = await recover(world)
  found.rests.push(restMs)
  found.violations.push(...violations.map((line) => `${target} killed at ${threads} ${call} ${when}: ${line}`))
  return 'killed'
}
