/** What the kernel says of processes. @see proc(5) */
import { open, readdir, readFile, readlink } from 'node:fs/promises'
import { basename } from 'node:path'

/** A process that lives; one that only waits to be reaped does not count. */
export interface LiveProcess {
  readonly pid: number
  readonly ppid: number
  /** Process id of the session's leader. */
  readonly session: number
  /** CPU time of all threads, ticks of 10 ms. */
  readonly cpuTicks: number
  /** Start time since the host's boot, ticks of 10 ms. */
  readonly startTicks: number
}

/** ns in a tick of `/proc/PID/stat`: USER_HZ is 100 on every x86 Linux. */
export const nsPerTick = 10_000_000

/** States of a process that is over: zombie (`Z`) and dead (`X`, `x`). Reaping can take its parent seconds. */
const overStates = new Set(['Z', 'X', 'x'])

/** The process `pid` if it lives. */
export async function findProcess(pid: number): Promise<LiveProcess | undefined> {
  const text = await readOrGone(`/proc/${pid}/stat`)
  return text === undefined ? undefined : parseStat(text)
}

/** Start time of a process, also of one that waits to be reaped. */
export async function findStartTicks(pid: number): Promise<number | undefined> {
  const text = await readOrGone(`/proc/${pid}/stat`)
  return text === undefined ? undefined : fieldsOf(text).startTicks
}

/** Reads the content of `/proc/PID/stat`; `undefined` for a process that is over. */
export function parseStat(text: string): LiveProcess | undefined {
  const { state, ...process } = fieldsOf(text)
  return overStates.has(state) ? undefined : process
}

function fieldsOf(text: string): LiveProcess & { readonly state: string } {
  const pid = Number.parseInt(text, 10)
  // The second field is the program's name in parentheses and may hold anything, also blanks and parentheses.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const field = (number: number) => Number(fields[number - 3])
  return { state: fields[0] ?? 'X', pid, ppid: field(4), session: field(6), cpuTicks: field(14) + field(15), startTicks: field(22) }
}

/** Arguments a process was started with; empty when it is gone. */
export async function readCommandLine(pid: number): Promise<readonly string[]> {
  const text = await readOrGone(`/proc/${pid}/cmdline`)
  return text ? text.replace(/\0$/, '').split('\0') : []
}

/** Name of the program that a process runs, also where its file was replaced since; `undefined` when it is gone. */
export async function findProgram(pid: number): Promise<string | undefined> {
  try {
    return basename(await readlink(`/proc/${pid}/exe`))
  } catch (error) {
    if (isGone(error)) return undefined
    throw error
  }
}

/** Real user id of a process; `undefined` when it is gone. */
export async function findUid(pid: number): Promise<number | undefined> {
  const text = await readOrGone(`/proc/${pid}/status`)
  const uid = /^Uid:\s+(\d+)/m.exec(text ?? '')?.[1]
  return uid === undefined ? undefined : Number(uid)
}

/** Pids of all processes of the host. */
export async function listPids(): Promise<readonly number[]> {
  return (await readdir('/proc')).filter((name) => /^[1-9][0-9]*$/.test(name)).map(Number)
}

/** The live processes of a session. */
export async function listSession(session: number): Promise<readonly LiveProcess[]> {
  const found = await Promise.all((await listPids()).map(findProcess))
  return found.filter((process) => process?.session === session) as LiveProcess[]
}

/** Id of this boot of the host. */
export async function readHostBootId(): Promise<string> {
  return (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
}

/** Size of one read, bytes. Node's own reading takes 64 KiB for each file of unknown size: of all processes, many times a second, that is too much. */
const readBytes = 4096

async function readOrGone(path: string): Promise<string | undefined> {
  try {
    await using file = await open(path, 'r')
    const parts: Buffer[] = []
    for (;;) {
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(readBytes), 0, readBytes)
      parts.push(buffer.subarray(0, bytesRead))
      // The kernel fills the buffer as long as there is more.
      if (bytesRead < readBytes) return parts.length === 1 ? buffer.toString('utf8', 0, bytesRead) : Buffer.concat(parts).toString('utf8')
    }
  } catch (error) {
    if (isGone(error)) return undefined
    throw error
  }
}

/** ESRCH: it ended between open and read. */
function isGone(error: unknown): boolean {
  return ['ENOENT', 'ESRCH'].includes((error as NodeJS.ErrnoException).code ?? '')
}
