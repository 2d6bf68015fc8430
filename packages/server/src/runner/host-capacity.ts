/** What this host has: the pools of the plan `self-hosted` are made of it. */
import { statfs } from 'node:fs/promises'
import { availableParallelism, totalmem } from 'node:os'

/** CPUs, memory and the file system of the data directory, MiB. */
export interface HostCapacity {
  readonly cpus: number
  readonly memoryMib: number
  readonly diskMib: number
}

/** Reads the capacity of this host. */
export async function readHostCapacity(dataDir: string): Promise<HostCapacity> {
  const disk = await statfs(dataDir)
  return { cpus: availableParallelism(), memoryMib: Math.floor(totalmem() / 1024 ** 2), diskMib: Math.floor((disk.blocks * disk.bsize) / 1024 ** 2) }
}
