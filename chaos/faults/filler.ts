/** Takes the room of a small file system: all of its blocks but some, or all of its files but some. */
import { mkdir, open, readdir, rm, statfs, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { runAny } from '../../packages/server/src/lib/subprocess.ts'

/** What runs out. */
export type Scarce = 'blocks' | 'inodes'

/** Fills a file system. */
export interface Filler {
  /** Leaves so many blocks of 4 KiB, or so many inodes, to others. */
  leave(scarce: Scarce, count: number): Promise<void>
  /** Gives all back. */
  release(): Promise<void>
}

/** Makes a filler of the file system at `path`, which must be a test's own. */
export function createFiller(path: string): Filler {
  const directory = join(path, 'filler')
  const big = join(directory, 'blocks')
  return {
    async leave(scarce, count) {
      await mkdir(directory, { recursive: true })
      if (scarce === 'blocks') await takeBlocks(path, big, count)
      else await takeInodes(path, directory, count)
    },
    async release() {
      await rm(directory, { recursive: true, force: true })
      // The kernel gives back what was deleted when it is written out.
      await runAny(['sync', '-f', path])
    },
  }
}

async function takeBlocks(path: string, file: string, count: number): Promise<void> {
  await writeFile(file, '', { flag: 'a' })
  let size = 0
  // Each allocation takes some blocks for itself.
  for (let round = 0; round < 8; round++) {
    const { bavail, bsize } = await statfs(path)
    if (bavail <= count) return
    size += (bavail - count) * bsize
    await runAny(['fallocate', '--length', String(size), file])
    await syncOf(file)
  }
}

async function takeInodes(path: string, directory: string, count: number): Promise<void> {
  let made = (await readdir(directory)).length
  for (;;) {
    const { ffree } = await statfs(path)
    if (ffree <= count) return
    for (let index = 0; index < ffree - count; index++) await writeFile(join(directory, `i${made++}`), '')
  }
}

async function syncOf(path: string): Promise<void> {
  const file = await open(path, 'r')
  await file.sync()
  await file.close()
}
