/** Creates into which one system call fails: answered in words, or the daemon ends where it cannot know what the disk holds. */
import { findProcess } from '../../packages/server/src/vmm/qemu/proc.ts'
import { eventually } from '../../test/support/vmm.ts'
import type { Answer } from '../api.ts'
import { judge, recover } from '../blow.ts'
import type { Context } from '../figure.ts'
import { Operations } from './operations.ts'
import { inject, onePoolThread, type Threads } from './strace.ts'

/** An error of a disk. */
export type DiskError = 'ENOSPC' | 'EIO' | 'EROFS'

/** A system call that fails. */
interface Failing {
  readonly threads: Threads
  readonly call: string
  readonly error: DiskError
}

/** Calls that write, by thread. A `mkdir` may also make a cgroup, of which a disk that fails knows nothing. */
const calls: readonly (readonly [Threads, string, readonly DiskError[]])[] = [
  ['main', 'pwrite64', ['ENOSPC', 'EIO', 'EROFS']],
  ['main', 'fsync', ['ENOSPC', 'EIO', 'EROFS']],
  ['pool', 'pwrite64', ['ENOSPC', 'EIO', 'EROFS']],
  ['pool', 'ftruncate', ['ENOSPC', 'EIO', 'EROFS']],
  ['pool', 'fsync', ['ENOSPC', 'EIO', 'EROFS']],
  ['pool', 'rename', ['ENOSPC', 'EIO', 'EROFS']],
  ['pool', 'mkdir', ['ENOSPC']],
]

/** What a sweep found. */
export interface FailingFound {
  faults: number
  refused: number
  /** Times the daemon ended because an fsync had failed. */
  ends: number
  readonly rests: number[]
  readonly violations: string[]
}

/** Lets the first, second, … call of each kind fail, every `stride`th, until a create makes no more of them. */
export async function sweepFailingCalls(context: Context, error: DiskError, stride: number): Promise<FailingFound> {
  const world = await context.world({ env: onePoolThread })
  const operations = new Operations(world)
  const random = context.random.fork(error)
  const found: FailingFound = { faults: 0, refused: 0, ends: 0, rests: [], violations: [] }
  await operations.must('create')
  for (const [threads, call, errors] of calls) {
    if (!errors.includes(error)) continue
    let when = 1 + random.int(stride)
    while (await failAt(operations, { threads, call, error }, when, found)) when += stride
  }
  context.log(`${error}: ${found.faults} faults, ${found.refused} refused, ${found.ends} ends, ${found.violations.length} violations`)
  await world[Symbol.asyncDispose]()
  return found
}

/** Lets one call of a create fail and looks at what becomes of it; `false` when the create makes no such call. */
async function failAt(operations: Operations, failing: Failing, when: number, found: FailingFound): Promise<boolean> {
  const { world } = operations
  const { threads, call, error } = failing
  await operations.bring('create')
  const { pid } = world
  const armed = await inject({ pid, threads, call, fault: `error=${error}`, when })
  const answer = await operations.apply('create').finally(() => armed.end())
  if (armed.hit === 0 && answer.kind === 'answered') return false
  found.faults++
  const hasEnded = answer.kind === 'unanswered' || !(await findProcess(pid))
  const wrong = judgeAnswer(failing, hasEnded, answer)
  if (hasEnded) {
    found.ends++
    await eventually('the end of the daemon is known', async () => !world.isAlive)
    const { violations, restMs } = await recover(world)
    found.rests.push(restMs)
    wrong.push(...violations)
  } else {
    if (answer.kind === 'answered' && answer.status === 507) found.refused++
    wrong.push(...(await world.converge()).left, ...(await judge(world)).violations)
  }
  found.violations.push(...wrong.map((line) => `${error} at ${threads} ${call} ${when}: ${line}`))
  return true
}

function judgeAnswer({ threads, call, error }: Failing, hasEnded: boolean, answer: Answer): string[] {
  // SQLite trusts the next fsync after any that failed; of a file that was not finished nothing is believed, so only a broken disk matters.
  const mustEnd = call === 'fsync' && (threads === 'main' || error === 'EIO')
  if (hasEnded !== mustEnd) return [hasEnded ? 'the daemon ended' : 'the daemon goes on though what it wrote is lost']
  if (answer.kind === 'unanswered' || answer.status < 500 || answer.status === 507) return []
  return [`answered with ${JSON.stringify(answer).slice(0, 400)}`]
}
