/** The lock a VM holds for life. The kernel keeps it, so it answers "is one alive?" without any memory of a process. */
import { stat } from 'node:fs/promises'
import { fail } from '../../lib/fail.ts'
import { runAny } from '../../lib/subprocess.ts'

/** Exit code of `flock` when somebody else holds the lock: EX_TEMPFAIL, which no other part of a launch uses. */
export const lockedExitCode = 75

/** Program and arguments that run a command under the lock. The command inherits the descriptor and takes the launcher's place. */
export function renderLocked(lockPath: string, command: readonly string[]): readonly string[] {
  return ['flock', '--nonblock', '--no-fork', '--conflict-exit-code', String(lockedExitCode), lockPath, ...command]
}

/** Whether a VM holds the lock. Asks with a shared lock, so that two askers never see each other. */
export async function isLocked(lockPath: string): Promise<boolean> {
  // flock would make a missing file.
  if ((await stat(lockPath).catch(() => undefined)) === undefined) return false
  const argv = ['flock', '--nonblock', '--shared', '--conflict-exit-code', String(lockedExitCode), lockPath, 'true'] as const
  const { exitCode } = await runAny(argv, { timeoutMs: 5000 })
  if (exitCode !== 0 && exitCode !== lockedExitCode) throw new Error(`cannot tell whether ${lockPath} is held: flock exited with ${exitCode}`)
  return exitCode === lockedExitCode
}

/** Raises what a launch or a reclaim answers while a VM of the workspace lives. @throws conflict */
export function failLocked(): never {
  fail('conflict', { message: 'A virtual machine of this workspace is still running.' })
}
