/** Removes what the boots of a workspace left on the host besides disk and logs: cgroups, run directories, and last the record. */
import { readdir, rm } from 'node:fs/promises'
import type { BootDependencies } from './boot.ts'
import { workspacePaths } from './paths.ts'
import { type BootRecord, removeRecord } from './record.ts'

/** Cleans up after dead boots. Idempotent. @throws conflict while a process of one lives; the record stays then */
export async function removeRuns(
  { dataDir, vmm }: Pick<BootDependencies, 'dataDir' | 'vmm'>,
  workspaceId: string,
  record: BootRecord | undefined,
): Promise<void> {
  const paths = workspacePaths(dataDir, workspaceId)
  const bootIds = new Set([...(await namesIn(paths.runs)), ...(record ? [record.spec.bootId] : [])])
  for (const bootId of bootIds) {
    const cgroups = record?.handle?.bootId === bootId ? record.handle.cgroups : []
    await vmm.reclaim({ workspaceId, bootId, runDir: paths.run(bootId), lockPath: paths.lock, cgroups })
  }
  await rm(paths.runs, { recursive: true, force: true })
  await removeRecord(paths.record)
}

async function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
}
