/** The handle of a VM: what has to be known to find it again. */
import type { VmHandle } from '../driver.ts'
import { vmPaths } from './files.ts'
import { type LiveProcess, readHostBootId } from './proc.ts'

/** Makes the handle of a VMM that lives. */
export async function createHandle(
  of: Pick<VmHandle, 'installId' | 'workspaceId' | 'bootId' | 'uid' | 'runDir' | 'lockPath'>,
  cgroups: readonly string[],
  { pid, startTicks }: Pick<LiveProcess, 'pid' | 'startTicks'>,
): Promise<VmHandle> {
  const { installId, workspaceId, bootId, uid, runDir, lockPath } = of
  const hostBootId = await readHostBootId()
  const { agentSocket } = vmPaths(runDir)
  return { version: 1, installId, workspaceId, bootId, hostBootId, pid, startTicks, uid, runDir, agentSocket, lockPath, cgroups }
}
