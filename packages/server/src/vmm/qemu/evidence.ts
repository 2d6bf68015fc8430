/** What a VMM that ended left behind: the launcher's note of how, the kernel's count of kills, and its own last words. */
import { open } from 'node:fs/promises'
import { readOomKills } from './cgroup.ts'
import { type Evidence, type ProcessEnd, parseShellCode } from './exit.ts'
import { readTail, vmPaths } from './files.ts'

/** Reads what is left; `end` is `undefined` where the launcher left no note. */
export async function readEvidence(
  runDir: string,
  cgroups: readonly string[],
): Promise<Pick<Evidence, 'oomKills' | 'stderr'> & { readonly end: ProcessEnd | undefined }> {
  const { exit, stderr } = vmPaths(runDir)
  const [end, oomKills, words] = await Promise.all([readExitFile(exit), readOomKills(cgroups), readTail(stderr)])
  return { end, oomKills, stderr: words }
}

/** The note of the launcher. Only root writes there; anything else in it is as good as none. */
async function readExitFile(path: string): Promise<ProcessEnd | undefined> {
  const file = await open(path, 'r').catch(() => undefined)
  if (!file) return undefined
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(16), 0, 16, 0)
    const code = /^(\d{1,3})\n$/.exec(buffer.toString('latin1', 0, bytesRead))?.[1]
    return code === undefined ? undefined : parseShellCode(Number(code))
  } finally {
    await file.close()
  }
}
