/** Ways in which a VM ends that nobody asked to, each with what is to be said of it; and the wait until it is said. */
import { spawn } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock } from '../packages/server/src/lib/clock.ts'
import { workspacePaths } from '../packages/server/src/runner/paths.ts'
import { findRecord } from '../packages/server/src/runner/record.ts'
import type { VmHandle } from '../packages/server/src/vmm/driver.ts'
import { findProcess, listSession } from '../packages/server/src/vmm/qemu/proc.ts'
import { crashByIll, crashBySegv } from '../test/support/crash-process.ts'
import type { Api } from './api.ts'
import type { World } from './world.ts'

/** What is to be said of an end. */
export interface Verdict {
  readonly cause: string
  readonly signal: string | null
}

/** A way to end a VM from outside. Resolves with the time at which it happened, ms since the epoch. */
export interface Way extends Verdict {
  readonly end: (handle: VmHandle) => Promise<number>
}

const at = (act: (pid: number) => unknown) => async (handle: VmHandle) => {
  const now = systemClock.now()
  await act(handle.pid)
  return now
}

/** The ways. A crash must be the process's own doing: QEMU is the first of its namespace, to which signals of faults cannot be sent. */
export const ways = {
  SIGKILL: { cause: 'vmm_killed', signal: 'SIGKILL', end: at((pid) => process.kill(pid, 'SIGKILL')) },
  SIGTERM: { cause: 'vmm_killed', signal: 'SIGTERM', end: at((pid) => process.kill(pid, 'SIGTERM')) },
  SIGSEGV: { cause: 'vmm_crashed', signal: 'SIGSEGV', end: at(crashBySegv) },
  SIGILL: { cause: 'vmm_crashed', signal: 'SIGILL', end: at(crashByIll) },
  oom: { cause: 'oom', signal: 'SIGKILL', end: exhaustMemory },
} as const satisfies Record<string, Way>

/** Ends a VM so that nobody can know how: its witnesses first. */
export async function endUnwitnessed({ pid }: VmHandle): Promise<number> {
  const found = await findProcess(pid)
  if (!found) throw new Error('the VM is gone')
  const now = systemClock.now()
  for (const member of (await listSession(found.session)).toSorted((a, b) => a.pid - b.pid)) process.kill(member.pid, 'SIGKILL')
  return now
}

/** Memory beyond what the group uses, before the limit, bytes; and what another process asks of it. */
const slackBytes = 4 * 1024 ** 2
const hogBytes = 48 * 1024 ** 2
const hog = 'echo $$ >"$1/cgroup.procs" && head -c "$2" /dev/zero | tail -c "$2" >/dev/null'

/** Lowers the limit of the VM's group to what it uses, and lets another process of the group ask for more. */
async function exhaustMemory({ pid, cgroups }: VmHandle): Promise<number> {
  for (const group of cgroups) {
    const v1 = await readFile(join(group, 'memory.usage_in_bytes'), 'utf8').catch(() => undefined)
    const usage = v1 ?? (await readFile(join(group, 'memory.current'), 'utf8').catch(() => undefined))
    if (usage === undefined) continue
    await writeFile(join(group, v1 === undefined ? 'memory.max' : 'memory.limit_in_bytes'), String(Number(usage) + slackBytes))
    // Of the two, the kernel is to choose the VM.
    await writeFile(`/proc/${pid}/oom_score_adj`, '1000')
    const child = spawn('sh', ['-c', hog, 'sh', group, String(hogBytes)], { stdio: 'ignore' })
    const ended = new Promise((resolve) => child.once('close', resolve))
    const diedAt = await untilDead(pid)
    await ended
    return diedAt
  }
  throw new Error('the host limits no memory')
}

/** Waits until a process has ended, and returns when that was seen, ms since the epoch. */
export async function untilDead(pid: number, timeoutMs = 60_000): Promise<number> {
  const giveUpAt = performance.now() + timeoutMs
  while (await findProcess(pid)) {
    if (performance.now() > giveUpAt) throw new Error(`process ${pid} did not end`)
    await systemClock.sleep(10)
  }
  return systemClock.now()
}

/** The handle of a workspace's VM. @throws when it has none */
export async function handleOf({ dataDir }: Pick<World, 'dataDir'>, id: string): Promise<VmHandle> {
  const handle = (await findRecord(workspacePaths(dataDir, id).record))?.handle
  if (!handle) throw new Error(`${id} has no VM`)
  return handle
}

/** The last end of a VM, as the API tells it. */
export interface ToldExit extends Verdict {
  /** ISO 8601. */
  readonly at: string
  readonly message: string
}

/** What is told of the last end; `undefined` where there was none. @throws when nothing is answered */
export async function lastExit(api: Api, id: string): Promise<ToldExit | undefined> {
  const answer = await api.send('GET', `/workspace/${id}/lifecycle`)
  if (answer.kind !== 'answered' || answer.status !== 200) throw new Error(`no lifecycle of ${id}: ${JSON.stringify(answer).slice(0, 300)}`)
  return (answer.body.restart_info as { last_exit?: ToldExit | null } | null)?.last_exit ?? undefined
}

/** Waits until another end is told than `before`. */
export async function nextExit(api: Api, id: string, before: ToldExit | undefined, timeoutMs = 30_000): Promise<ToldExit | undefined> {
  const giveUpAt = performance.now() + timeoutMs
  for (;;) {
    const exit = await lastExit(api, id)
    if (exit && exit.at !== before?.at) return exit
    if (performance.now() > giveUpAt) return undefined
    await systemClock.sleep(100)
  }
}
