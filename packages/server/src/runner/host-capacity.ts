/** What this host has: the pools of the plan `self-hosted` are made of it. */
import { readFile, statfs } from 'node:fs/promises'
import { availableParallelism, totalmem } from 'node:os'
import { fail } from '../lib/fail.ts'

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

/** What QEMU and the boot of a small guest take, MiB. A guest takes the rest of its memory as it uses it, so more is not asked for. */
const bootMib = 128
/** Most of a guest's memory that must be there at its start, MiB. */
const guestShareMib = 256

/** Memory that the host could give without swapping, MiB. @see proc(5), MemAvailable */
export async function readAvailableMemory(): Promise<number> {
  const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(await readFile('/proc/meminfo', 'utf8'))?.[1]
  return kib === undefined ? fail('VM_UNAVAILABLE', { message: 'The host does not tell how much memory is available.' }) : Math.floor(Number(kib) / 1024)
}

/** Refuses a VM that would drive the host out of memory at its start: then the kernel ends processes, other VMs among them. @throws VM_UNAVAILABLE */
export async function refuseWithoutMemory(available: () => Promise<number>, memoryMib: number): Promise<void> {
  const needed = bootMib + Math.min(memoryMib, guestShareMib)
  const found = await available()
  if (found >= needed) return
  fail('VM_UNAVAILABLE', {
    message: `The host has ${found} MiB of memory available; starting this virtual machine takes ${needed}. Stop another one, or try later.`,
  })
}
