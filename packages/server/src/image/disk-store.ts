/** The writable disks. A new one is a few blocks written into a hole: no mkfs and no copy of zeroes while somebody waits. */
import { constants } from 'node:fs'
import { type FileHandle, lstat, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncDirectory, syncFile } from '../lib/files.ts'
import type { Step } from '../lib/step.ts'
import { loadSeed, type Seed, type SeedKind } from './disk-seed.ts'
import type { DiskStore } from './images.ts'
import { onFullDisk } from './storage-error.ts'

const small: SeedKind = { name: 'small', sizeMib: 16, journalMib: 4 }
const large: SeedKind = { name: 'large', sizeMib: 256, journalMib: 64 }
/** Disks from this size on have the large journal, bytes. */
const largeFrom = 2 * 1024 ** 3

/** Opens the disk store; seeds are formatted into `seedDir` at first use. */
export function createDiskStore({ seedDir, step }: { readonly seedDir: string; readonly step: Step }): DiskStore {
  const seeds = new Map<SeedKind, Promise<Seed>>()

  function seedFor(sizeBytes: number): Promise<Seed> {
    const kind = sizeBytes < largeFrom ? small : large
    const seed = seeds.get(kind) ?? loadSeed(seedDir, kind, step)
    seeds.set(kind, seed)
    seed.catch(() => seeds.delete(kind))
    return seed
  }

  return {
    ensure: (path, sizeBytes) =>
      onFullDisk('the disk of the workspace', async () => {
        const present = await presentSize(path)
        if (present === undefined) {
          const seed = await seedFor(sizeBytes)
          if (sizeBytes < seed.sizeBytes) throw new RangeError(`a disk of ${sizeBytes} bytes is smaller than the ${seed.sizeBytes} of its seed`)
          await step('disk.create', () => createDisk(path, sizeBytes, seed))
        } else if (present < sizeBytes) {
          await step('disk.grow', () => growDisk(path, sizeBytes))
        }
      }),
  }
}

async function presentSize(path: string): Promise<number | undefined> {
  try {
    const found = await lstat(path)
    if (!found.isFile()) throw new Error(`${path} is in the way of a disk: not a regular file`)
    return found.size
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Under its name the disk is whole or absent; a workspace has one writer, so the name of the unfinished file is fixed and reused. */
async function createDisk(path: string, sizeBytes: number, seed: Seed): Promise<void> {
  const unfinished = `${path}.new`
  try {
    await rm(unfinished, { force: true })
    await withFile(unfinished, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, async (file) => {
      for (const { offset, bytes } of seed.extents) await file.write(bytes, 0, bytes.length, offset)
      await file.truncate(sizeBytes)
      await syncFile(file, unfinished)
    })
    await rename(unfinished, path)
  } catch (error) {
    await rm(unfinished, { force: true })
    throw error
  }
  await syncDirectory(dirname(path))
}

/** The guest grows the file system itself at its next boot. */
function growDisk(path: string, sizeBytes: number): Promise<void> {
  return withFile(path, constants.O_WRONLY | constants.O_NOFOLLOW, async (file) => {
    await file.truncate(sizeBytes)
    await syncFile(file, path)
  })
}

async function withFile(path: string, flags: number, fn: (file: FileHandle) => Promise<void>): Promise<void> {
  const file = await open(path, flags, 0o600)
  try {
    await fn(file)
  } finally {
    await file.close()
  }
}
