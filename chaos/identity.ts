/** Which process is the VM of a workspace, beyond doubt. */
import { workspacePaths } from '../packages/server/src/runner/paths.ts'
import { findRecord } from '../packages/server/src/runner/record.ts'
import { findProcess } from '../packages/server/src/vmm/qemu/proc.ts'

/** The identity of a living VM. */
export interface Identity {
  readonly bootId: string
  readonly pid: number
  /** All that names it: boot, pid and start time. */
  readonly key: string
}

/** The identities of the VMs that live, by workspace. */
export async function readIdentities(dataDir: string, ids: readonly string[]): Promise<Map<string, Identity>> {
  const found = new Map<string, Identity>()
  await Promise.all(
    ids.map(async (id) => {
      const handle = (await findRecord(workspacePaths(dataDir, id).record).catch(() => undefined))?.handle
      if (!handle) return
      const process = await findProcess(handle.pid)
      if (!process || process.startTicks !== handle.startTicks) return
      found.set(id, { bootId: handle.bootId, pid: handle.pid, key: `${handle.bootId} pid ${handle.pid} start ${handle.startTicks}` })
    }),
  )
  return found
}
