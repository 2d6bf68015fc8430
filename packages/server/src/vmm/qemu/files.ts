/** Where the files of one boot are, and how the driver makes, reads and removes them. */
import { chown, mkdir, open, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { vmFiles } from './args.ts'
import { failLocked, isLocked } from './lock.ts'

/** The shell script that makes a VM's world. */
export const launcherPath = fileURLToPath(new URL('launcher.sh', import.meta.url))

/** Bound of one log file, bytes; a log has two, the older with the suffix `.1`. */
export const logFileBytes = 1024 * 1024
/** Bound of what is kept of QEMU's own messages, bytes. */
export const stderrBytes = 64 * 1024

/** Paths below a run directory. */
export function vmPaths(runDir: string) {
  // The VM's user owns `vm` only. It is QEMU's working directory, so QEMU needs no right to walk through `runDir`, which stays root's.
  const vmDir = join(runDir, 'vm')
  return {
    vmDir,
    monitors: vmFiles.monitorSockets.map((name) => join(vmDir, name)),
    agentSocket: join(vmDir, vmFiles.agentSocket),
    stderr: join(runDir, 'stderr'),
    /** How QEMU ended, written by the launcher. */
    exit: join(runDir, 'exit'),
  }
}

/** Makes the directory of the VM's user, empty. An interrupted launch of the same boot is cleared away. @throws conflict when that boot lives */
export async function createVmDirectory(runDir: string, lockPath: string, uid: number): Promise<void> {
  const { vmDir } = vmPaths(runDir)
  if ((await stat(vmDir).catch(() => undefined)) !== undefined) {
    if (await isLocked(lockPath)) failLocked()
    await removeVmFiles(runDir)
  }
  await mkdir(vmDir, { mode: 0o700 })
  await chown(vmDir, uid, uid)
}

/** Removes what a boot left in its run directory. Idempotent; never follows a link. */
export async function removeVmFiles(runDir: string): Promise<void> {
  const { vmDir, stderr, exit } = vmPaths(runDir)
  await rm(vmDir, { recursive: true, force: true })
  for (const path of [stderr, exit]) await rm(path, { force: true })
}

/** The end of a text file, at most `maxBytes`; empty when there is none. */
export async function readTail(path: string, maxBytes = 2000): Promise<string> {
  const file = await open(path, 'r').catch(() => undefined)
  if (!file) return ''
  try {
    const { size } = await file.stat()
    const { buffer, bytesRead } = await file.read(Buffer.alloc(maxBytes), 0, maxBytes, Math.max(0, size - maxBytes))
    return buffer.subarray(0, bytesRead).toString('utf8').trim()
  } finally {
    await file.close()
  }
}
