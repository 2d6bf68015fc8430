/** Formatted file systems to start disks from: made once by mkfs.ext4, kept as the few blocks that are not zero. */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { open, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { ensureDirectory, syncDirectory, syncFile } from '../lib/files.ts'
import type { Step } from '../lib/step.ts'
import { run } from '../lib/subprocess.ts'

/** A piece of a seed that is not zero. */
export interface Extent {
  readonly offset: number
  readonly bytes: Buffer
}

/** A formatted file system of `sizeBytes`, to be grown online to any size up to the largest disk. */
export interface Seed {
  readonly sizeBytes: number
  readonly extents: readonly Extent[]
}

/** How a seed is formatted. */
export interface SeedKind {
  readonly name: string
  readonly sizeMib: number
  /** A journal keeps its size when the file system grows: small disks cannot afford what large ones need. */
  readonly journalMib: number
}

const blockBytes = 4096
/** Largest size a seed can grow to, MiB: the most a workspace may ask for. */
const largestMib = 204_800

// Named one by one, so that a newer mkfs does not make what the guest kernel cannot mount. No 64bit: half as large group descriptors.
const features = [
  ...['none', 'has_journal', 'extent', 'huge_file', 'flex_bg', 'metadata_csum', 'dir_nlink', 'extra_isize'],
  ...['sparse_super', 'large_file', 'filetype', 'resize_inode', 'dir_index', 'ext_attr'],
].join(',')

/** Reads the seed of a kind, formatting it first if it is not there. Several processes may do so at once. */
export async function loadSeed(seedDir: string, kind: SeedKind, step: Step): Promise<Seed> {
  const path = join(seedDir, `ext4-1-${kind.name}.img`)
  if ((await sizeOf(path)) !== kind.sizeMib * 1024 * 1024) await step('disk.seed.create', () => format(seedDir, path, kind))
  return readSeed(path)
}

async function format(seedDir: string, path: string, { sizeMib, journalMib }: SeedKind): Promise<void> {
  await ensureDirectory(seedDir)
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    const file = await open(temporary, constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY, 0o600)
    await file.truncate(sizeMib * 1024 * 1024)
    await file.close()
    // 8192 inodes per group of 128 MiB is mkfs's own ratio for large disks; groups added later have as many as the first.
    const inodes = String(8192 * Math.ceil(sizeMib / 128))
    // The file is a hole, so nothing is written only to be zero, and the guest has no tables to initialise.
    const extended = `resize=${(largestMib * 1024 * 1024) / blockBytes},lazy_journal_init=1,assume_storage_prezeroed=1,nodiscard,root_owner=0:0`
    await run([
      ...(['mkfs.ext4', '-q', '-F', '-b', String(blockBytes), '-I', '256', '-N', inodes, '-m', '0'] as const),
      ...['-J', `size=${journalMib}`, '-O', features, '-E', extended, temporary],
    ])
    await makeDurable(temporary)
    await rename(temporary, path)
    await syncDirectory(seedDir)
  } finally {
    await rm(temporary, { force: true })
  }
}

async function readSeed(path: string): Promise<Seed> {
  const file = await open(path, 'r')
  try {
    const { size: sizeBytes } = await file.stat()
    const extents: Extent[] = []
    const piece = Buffer.alloc(256 * 1024)
    for (let offset = 0; offset < sizeBytes; offset += piece.length) {
      const { bytesRead } = await file.read(piece, 0, piece.length, offset)
      extents.push(...nonZeroBlocks(piece.subarray(0, bytesRead), offset))
    }
    return { sizeBytes, extents }
  } finally {
    await file.close()
  }
}

/** Runs of blocks that are not all zero, copied out of `piece`. */
function nonZeroBlocks(piece: Buffer, base: number): Extent[] {
  const zero = Buffer.alloc(blockBytes)
  const extents: Extent[] = []
  let start = -1
  for (let at = 0; at <= piece.length; at += blockBytes) {
    const isEmpty = at >= piece.length || piece.subarray(at, at + blockBytes).equals(zero)
    if (!isEmpty && start < 0) start = at
    if (isEmpty && start >= 0) {
      extents.push({ offset: base + start, bytes: Buffer.from(piece.subarray(start, at)) })
      start = -1
    }
  }
  return extents
}

async function makeDurable(path: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    await syncFile(file, path)
  } finally {
    await file.close()
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
