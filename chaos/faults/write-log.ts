/** The log of a disk's writes, as QEMU's `blklogwrites` and the kernel's dm-log-writes keep it. */
import { type FileHandle, open } from 'node:fs/promises'

/** One entry of the log. */
export interface LoggedWrite {
  /** Where on the disk, bytes. */
  readonly offset: number
  readonly length: number
  /** What lies before it in the log is on the disk for good. */
  readonly isFlush: boolean
  /** It is on the disk for good by itself. */
  readonly isForced: boolean
  readonly isDiscard: boolean
  /** Where in the log its data is. */
  readonly at: number
}

const magic = 0x6a736677736872n
const sector = 512
const flag = { flush: 1, forced: 2, discard: 4 } as const

/** Number of entries at this moment: `blklogwrites` with `log-super-update-interval=1` writes it before it completes a write. */
export async function countWrites(path: string): Promise<number> {
  const file = await open(path, 'r')
  try {
    return await readHead(file, path)
  } finally {
    await file.close()
  }
}

/** All entries of the log, in order. */
export async function readWriteLog(path: string): Promise<LoggedWrite[]> {
  const file = await open(path, 'r')
  try {
    const count = await readHead(file, path)
    const entries: LoggedWrite[] = []
    const head = Buffer.alloc(32)
    for (let at = sector; entries.length < count; ) {
      await file.read(head, 0, head.length, at)
      const flags = Number(head.readBigUInt64LE(16))
      const isDiscard = (flags & flag.discard) !== 0
      const length = Number(head.readBigUInt64LE(8)) * sector
      const offset = Number(head.readBigUInt64LE(0)) * sector
      at += sector
      entries.push({ offset, length, isFlush: (flags & flag.flush) !== 0, isForced: (flags & flag.forced) !== 0, isDiscard, at })
      if (!isDiscard) at += length
    }
    return entries
  } finally {
    await file.close()
  }
}

async function readHead(file: FileHandle, path: string): Promise<number> {
  const head = Buffer.alloc(24)
  await file.read(head, 0, head.length, 0)
  // Nothing was written yet.
  if (head.every((byte) => byte === 0)) return 0
  if (head.readBigUInt64LE(0) !== magic) throw new Error(`${path} is not a log of writes`)
  return Number(head.readBigUInt64LE(16))
}
