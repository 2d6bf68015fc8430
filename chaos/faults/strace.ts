/** Faults at one system call of a running process, without a change to it: strace attaches to its threads and injects. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

/** Which threads of a Node process: the main one runs JavaScript, SQLite and spawns; those of the pool do what is asynchronous with files. */
export type Threads = 'main' | 'pool'

/** What to inject, and where. */
export interface Injection {
  readonly pid: number
  readonly threads: Threads
  /** Name of a system call, or several with commas. */
  readonly call: string
  /** As strace has it: `signal=KILL`, `error=EIO`, `delay_enter=1500000`. */
  readonly fault: string
  /** At the call of this number since the attach, from 1; `N+` is that one and all after it. Counted by thread: use a pool of one thread. */
  readonly when: number | `${number}+`
}

/** An injection that is armed. */
export interface Armed {
  /** Calls seen so far, and calls that the fault hit. */
  readonly seen: number
  readonly hit: number
  /** Takes strace off the process, if there still is one. Idempotent. */
  end(): Promise<void>
}

/** With this in the environment of a daemon the calls of its pool have one order. */
export const onePoolThread = { UV_THREADPOOL_SIZE: '1' } as const

/** Arms a fault; resolves when every thread is attached. @throws Error when strace cannot attach */
export async function inject({ pid, threads, call, fault, when }: Injection): Promise<Armed> {
  const ids = await threadIds(pid, threads)
  const args = ['-e', `trace=${call}`, '-e', 'signal=none', '-e', `inject=${call}:${fault}:when=${when}`, ...ids.flatMap((id) => ['-p', String(id)])]
  const child = spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] })
  const closed = once(child, 'close')
  const state = { seen: 0, hit: 0 }
  await attached(child, ids.length, (line) => {
    // A call that another thread interrupted is printed in two parts; the second says how it ended.
    if (/\) += |resumed>| unfinished|<unfinished|\) +\?/.test(line) && !line.includes('resumed>')) state.seen++
    if (line.includes('(INJECTED)') || line.includes('+++ killed by SIGKILL')) state.hit++
  })
  return {
    get seen() {
      return state.seen
    },
    get hit() {
      return state.hit
    },
    async end() {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGINT')
      await closed
    },
  }
}

/** Resolves when strace has said of each thread that it is attached; afterwards its lines go to `onLine`. */
function attached(child: ChildProcess, count: number, onLine: (line: string) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let missing = count
    const said: string[] = []
    child.once('error', reject)
    child.once('close', (code) => reject(new Error(`strace ended with ${code}: ${said.join('; ')}`)))
    if (!child.stderr) return reject(new Error('strace has no standard error'))
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (missing > 0 && said.push(line) > 100) said.shift()
      if (/^strace: Process \d+ attached/.test(line)) {
        if (--missing === 0) resolve()
      } else onLine(line)
    })
  })
}

async function threadIds(pid: number, threads: Threads): Promise<number[]> {
  const ids = (await readdir(`/proc/${pid}/task`)).map(Number)
  if (threads === 'main') return [pid]
  const names = await Promise.all(ids.map(async (id) => (await readFile(join('/proc', String(pid), 'task', String(id), 'comm'), 'utf8')).trim()))
  const pool = ids.filter((_id, index) => names[index] === 'libuv-worker')
  if (pool.length === 0) throw new Error(`process ${pid} has no pool of threads: ${names.join(', ')}`)
  return pool
}
