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

/** Files and directories that a boot makes: about thirty. */
const bootFiles = 64

/** Space left on a file system for whoever writes next, MiB; 0 when it has no room for the files of another boot. */
export async function readFreeDisk(path: string): Promise<number> {
  const { bavail, bsize, files, ffree } = await statfs(path)
  // Some file systems do not count files.
  return files > 0 && ffree < bootFiles ? 0 : Math.floor((bavail * bsize) / 1024 ** 2)
}

/**
 * Refuses a VM while little space is left: disks are sparse, so what is promised may be more than there is, and what is left belongs to
 * the VMs that run. @throws storage_full
 */
export async function refuseWithoutDisk(free: () => Promise<number>, minFreeMib: number): Promise<void> {
  const found = await free()
  if (found >= minFreeMib) return
  fail('storage_full', {
    message: `The disk of the host has ${found} MiB left; ${minFreeMib} are kept for the virtual machines that run. Free some space on the host and try again.`,
    details: { freeMib: found, minFreeMib },
  })
}
