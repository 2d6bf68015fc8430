/** Replays a log of writes up to any entry, as a disk that lost its power there, and mounts what is then on it. */
import { type FileHandle, open, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../../packages/server/src/lib/subprocess.ts'
import type { Random } from '../random.ts'
import { mountImage } from './mounts.ts'
import type { LoggedWrite } from './write-log.ts'

/** What a cut leaves of the writes after the last flush before it. */
export type CacheLoss =
  /** All: the disk writes at once and in order. */
  | 'none'
  /** Some: the disk has a cache that loses what was not flushed, whatever its order. */
  | 'some'

/** Cuts the power at ever later points of one log. */
export interface PowerCuts {
  /** Mounts the disk as a cut after `count` entries leaves it, for `look`. `count` must not go back. */
  after<T>(count: number, loss: CacheLoss, look: (path: string) => Promise<T>): Promise<T>
  end(): Promise<void>
}

/** Opens a log for replay; `directory` is for images and should be memory. */
export async function replayPowerCuts(
  { logPath, sizeBytes }: { readonly logPath: string; readonly sizeBytes: number },
  writes: readonly LoggedWrite[],
  directory: string,
  random: Random,
): Promise<PowerCuts> {
  const durable = join(directory, 'durable.img')
  await writeFile(durable, '', { mode: 0o600 })
  await truncate(durable, sizeBytes)
  const log = await open(logPath, 'r')
  const image = await open(durable, 'r+')
  let applied = 0
  return {
    async after(count, loss, look) {
      const flushed = lastFlush(writes, count)
      for (; applied < flushed; applied++) await apply(log, image, writes[applied])
      const cut = join(directory, 'cut.img')
      // Keeps the holes.
      await run(['cp', '--sparse=auto', durable, cut])
      await applySome(log, cut, writes.slice(applied, count), (write) => loss === 'none' || write.isForced || random.chance(0.5))
      const mount = await mountImage(cut, join(directory, 'cut'))
      try {
        return await look(mount.path)
      } finally {
        await mount.end()
      }
    },
    async end() {
      await log.close()
      await image.close()
      await rm(durable, { force: true })
    },
  }
}

/** Number of entries up to and with the last flush among the first `count`. */
function lastFlush(writes: readonly LoggedWrite[], count: number): number {
  for (let at = count; at > 0; at--) if (writes[at - 1]?.isFlush) return at
  return 0
}

async function applySome(log: FileHandle, path: string, writes: readonly LoggedWrite[], stays: (write: LoggedWrite) => boolean): Promise<void> {
  const image = await open(path, 'r+')
  try {
    for (const write of writes) if (stays(write)) await apply(log, image, write)
  } finally {
    await image.close()
  }
}

async function apply(log: FileHandle, image: FileHandle, write: LoggedWrite | undefined): Promise<void> {
  if (!write || write.length === 0) return
  const data = Buffer.alloc(write.length)
  // What was discarded reads as zeroes.
  if (!write.isDiscard) await log.read(data, 0, data.length, write.at)
  await image.write(data, 0, data.length, write.offset)
}
