/** N12: nothing is mounted in the data directory, and no loop device uses a file of it: Alcove mounts nothing there. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { findFile } from '../lib/files.ts'
import { type Judgement, notes } from './finding.ts'
import type { Place } from './place.ts'

/** Mounts and loop devices of this host. */
export interface ObservedMounts {
  readonly mounts: readonly { readonly point: string; readonly type: string; readonly source: string }[]
  readonly loops: readonly { readonly device: string; readonly file: string }[]
}

/** Reads them all. */
export async function observeMounts(): Promise<ObservedMounts> {
  const loops: { device: string; file: string }[] = []
  for (const device of await readdir('/sys/block').catch(() => [])) {
    if (!device.startsWith('loop')) continue
    const file = (await findFile(join('/sys/block', device, 'loop/backing_file')).catch(() => undefined))?.trimEnd()
    if (file) loops.push({ device, file })
  }
  return { mounts: parseMounts(await readFile('/proc/self/mountinfo', 'utf8')), loops }
}

/** Parses `/proc/self/mountinfo`. @see proc(5) */
export function parseMounts(text: string): ObservedMounts['mounts'] {
  return text.split('\n').flatMap((line) => {
    const [left = '', right = ''] = line.split(' - ')
    const point = left.split(' ')[4]
    const [type = '', source = ''] = right.split(' ')
    // Blanks and the like are written as octal numbers.
    return point === undefined ? [] : [{ point: point.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8))), type, source }]
  })
}

/** Directories that an operator may put on a disk of their own. */
const ownDisk = new Set(['images', 'vm'])

/** Looks for those below the data directory. */
export function compareMounts({ realDataDir }: Pick<Place, 'realDataDir'>, { mounts, loops }: ObservedMounts): Judgement {
  const { findings, add } = notes('N12')
  const below = (path: string) => path.startsWith(`${realDataDir}/`)
  for (const { point, type, source } of mounts) {
    if (!below(point) || ownDisk.has(point.slice(realDataDir.length + 1))) continue
    add(`mount ${point}`, `A file system (${type}) is mounted in the data directory.`, `umount ${point}`, { type, source })
  }
  for (const { device, file } of loops) {
    if (below(file)) add(`device /dev/${device}`, `It uses ${file}.`, `losetup -d /dev/${device}`, { file })
  }
  return { findings, checked: { mounts: mounts.length, loops: loops.length } }
}
