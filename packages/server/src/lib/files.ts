/** Files that survive a power cut: whole old content or whole new content, never a torn mixture. */

import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { endForLostWrites } from './end-process.ts'

/** Writes `content` to `path` through a temporary file, fsync, rename and fsync of the directory. */
export async function writeFileDurably(path: string, content: string | Uint8Array, mode = 0o600): Promise<void> {
  const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`
  try {
    const file = await open(temporary, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, mode)
    try {
      await file.writeFile(content)
      await syncFile(file, path)
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  await syncDirectory(dirname(path))
}

/** Removes what writes of `path` left that were cut off by the death of their process. Nobody else may be writing it. */
export async function removeCutOff(path: string): Promise<void> {
  const isOurs = (name: string) => name.startsWith(`${basename(path)}.`) && temporaryName.test(name)
  const names = await readdir(dirname(path)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
  for (const name of names) if (isOurs(name)) await rm(join(dirname(path), name), { force: true })
}

/** Removes what cut-off writes left in a directory and, down to `depth` levels, below it. Nobody else may be writing there. */
export async function sweepCutOff(directory: string, depth: number): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name)
    if (entry.isFile() && temporaryName.test(entry.name)) await rm(path, { force: true })
    else if (entry.isDirectory() && depth > 0) await sweepCutOff(path, depth - 1)
  }
}

/** How {@link writeFileDurably} names what is not whole yet. */
const temporaryName = /\.[0-9a-f]{8}\.tmp$/

/**
 * Makes what was written to an open file durable. When the device fails, the process ends: what it wrote is lost, and asking again would
 * be told that all is well. A full disk is an error as any other: the caller throws away the file it could not finish.
 */
export async function syncFile(file: FileHandle, path: string): Promise<void> {
  try {
    await file.sync()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EIO') endForLostWrites(path, error)
    throw error
  }
}

/** Makes entries of a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await syncFile(directory, path)
  } finally {
    await directory.close()
  }
}

/** Makes a directory with all its parents; an existing one keeps its mode. */
export async function ensureDirectory(path: string, mode = 0o700): Promise<void> {
  await mkdir(path, { recursive: true, mode })
}

/** Content of a file, or `undefined` when there is none. */
export async function findFile(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
