/** Puts the data directory of a world that was not started yet on a file system of the test's choice. */
import { chmod, copyFile, readdir, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { World } from '../world.ts'

const plenty = { cpus: 1000, memory_mb: 1_000_000, disk_mb: 1_000_000 }

/** Plan for a small file system: its size must not be what limits an account. */
export const roomy = { pool: plenty, running_pool: plenty } as const

/** Lets `target` be the data directory; what the world has put into its own goes there. The link goes with the world, `target` stays. */
export async function placeData({ dataDir }: Pick<World, 'dataDir'>, target: string): Promise<void> {
  // VMs run as other users and pass through here.
  await chmod(target, 0o711)
  for (const name of await readdir(dataDir)) await copyFile(join(dataDir, name), join(target, name))
  await rm(dataDir, { recursive: true })
  await symlink(target, dataDir)
}
