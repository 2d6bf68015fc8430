/** Starts the launcher of a VM, and recognises its processes afterwards. The only place besides lib/subprocess.ts that spawns. */
import { spawn } from 'node:child_process'
import { open } from 'node:fs/promises'
import { isSameBoot, type Marker, parseMarker } from './marker.ts'
import { findProcess, findProgram, findStartTicks, findUid, type LiveProcess, listPids, listSession, readCommandLine } from './proc.ts'

/** A launcher that was started. It is the leader of its own session and process group, so it outlives the daemon. */
export interface Launcher {
  /** Also the id of the session all processes of the VM are in. */
  readonly pid: number
  readonly startTicks: number
  /** Resolves when it, and so the VM, has ended. */
  readonly ended: Promise<LauncherEnd>
}

/** How a launcher ended; it takes over the exit code or signal of QEMU. */
export interface LauncherEnd {
  readonly exitCode: number | null
  readonly signal: NodeJS.Signals | null
}

/** Starts a launcher. Standard error goes to a file, for a pipe to the daemon would die with the daemon. */
export async function spawnLauncher(argv: readonly string[], env: Readonly<Record<string, string>>, stderrPath: string): Promise<Launcher> {
  const [program = '', ...args] = argv
  const stderr = await open(stderrPath, 'a', 0o600)
  try {
    const child = spawn(program, args, { detached: true, stdio: ['ignore', 'ignore', stderr.fd], env, cwd: '/' })
    const ended = new Promise<LauncherEnd>((resolve) => child.on('exit', (exitCode, signal) => resolve({ exitCode, signal })))
    await new Promise<void>((resolve, reject) => child.once('spawn', resolve).once('error', reject))
    child.unref()
    const pid = child.pid as number
    // Node reaps it in a later turn of the event loop at the earliest, so its entry is there even if it has ended.
    return { pid, startTicks: (await findStartTicks(pid)) ?? 0, ended }
  } finally {
    await stderr.close()
  }
}

/** Kills what still lives of a launcher's session; whether there was anything. */
export async function killLaunched({ pid, startTicks }: Launcher): Promise<boolean> {
  const leader = await findProcess(pid)
  // The number means another session by now.
  if (leader && leader.startTicks !== startTicks) return false
  const processes = await listSession(pid)
  for (const process of processes) await signalKill(process)
  return processes.length > 0
}

/** Sends SIGKILL to exactly this process. */
export async function signalKill({ pid, startTicks }: Pick<LiveProcess, 'pid' | 'startTicks'>): Promise<void> {
  if ((await findProcess(pid))?.startTicks !== startTicks) return
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

/** The process if it is the VMM that was meant: same pid, same start, same mark. */
export async function findVmm(known: Marker & { readonly pid: number; readonly startTicks: number }): Promise<LiveProcess | undefined> {
  const process = await findProcess(known.pid)
  if (process?.startTicks !== known.startTicks) return undefined
  return isSameBoot(parseMarker(await readCommandLine(known.pid)), known) ? process : undefined
}

/** The VMM among the processes of a session. */
export async function findVmmOfSession(session: number, marker: Marker): Promise<LiveProcess | undefined> {
  for (const process of await listSession(session)) if (isSameBoot(parseMarker(await readCommandLine(process.pid)), marker)) return process
  return undefined
}

/** Every live VMM of an install: it bears the mark, its program is QEMU, and it runs as one of the users of the install. */
export async function listVmms(
  installId: string,
  uids: { readonly first: number; readonly last: number } = { first: 1, last: Number.POSITIVE_INFINITY },
): Promise<readonly (LiveProcess & Marker)[]> {
  const found = await Promise.all(
    (await listPids()).map(async (pid) => {
      const marker = parseMarker(await readCommandLine(pid))
      if (marker?.installId !== installId) return []
      const [process, program, uid] = [await findProcess(pid), await findProgram(pid), await findUid(pid)]
      const isOurs = program?.startsWith('qemu-system-') && uid !== undefined && uids.first <= uid && uid <= uids.last
      return process && isOurs ? [{ ...process, ...marker }] : []
    }),
  )
  return found.flat()
}
