/** N2: each VM is the one its record on disk names, so that the next daemon takes it up. */
import { readFile, stat } from 'node:fs/promises'
import { messageOf } from '../lib/fail.ts'
import { workspacePaths } from '../runner/paths.ts'
import { type BootRecord, findRecord } from '../runner/record.ts'
import { findUid, readHostBootId } from '../vmm/qemu/proc.ts'
import { listVmms } from '../vmm/qemu/process.ts'
import { type Judgement, notes } from './finding.ts'
import type { Known } from './known.ts'
import type { Place } from './place.ts'

/** What is on the host of one workspace. */
export interface ObservedIdentity {
  readonly workspaceId: string
  /** Its record; `undefined` when there is none, a text when it cannot be read. */
  readonly record: BootRecord | string | undefined
  readonly process: { readonly pid: number; readonly startTicks: number; readonly uid: number | undefined } | undefined
  /** Whether its lock, or another file of the same number, is held. */
  readonly isLocked: boolean
  /** Whether it is certainly its own lock that is held. */
  readonly isSurelyLocked: boolean
}

/** What is on the host of all. */
export interface ObservedIdentities {
  readonly hostBootId: string
  readonly of: readonly ObservedIdentity[]
}

/** Reads records, processes and locks. Locks are read from the kernel's list: asking for one would be in the way of a launch. */
export async function observeIdentities({ dataDir, names, before }: Place): Promise<ObservedIdentities> {
  const [hostBootId, vmms, locks] = await Promise.all([readHostBootId(), listVmms(names.installId), readLocks()])
  const of = await Promise.all(
    before.workspaces.map(async ({ id }): Promise<ObservedIdentity> => {
      const paths = workspacePaths(dataDir, id)
      const found = vmms.find(({ workspaceId }) => workspaceId === id)
      const lock = await stat(paths.lock).then(keysOf, () => undefined)
      return {
        workspaceId: id,
        record: await findRecord(paths.record).catch((error) => messageOf(error)),
        process: found && { pid: found.pid, startTicks: found.startTicks, uid: await findUid(found.pid) },
        isLocked: lock !== undefined && locks.has(lock.inode),
        isSurelyLocked: lock !== undefined && locks.has(lock.file),
      }
    }),
  )
  return { hostBootId, of }
}

/** Readings of the list of locks. Longer than a page it is read in parts, and a lock that goes meanwhile lets another one slip through. */
const lockReadings = 3

/** Files on which somebody has a `flock`, by number, and by device and number. @see proc(5), /proc/locks */
async function readLocks(): Promise<ReadonlySet<string>> {
  const lines: string[] = []
  for (let reading = 0; reading < lockReadings; reading++) lines.push(...(await readFile('/proc/locks', 'utf8')).split('\n'))
  return new Set(
    lines.flatMap((line) => {
      const [, device, inode] = /FLOCK\s+\S+\s+\S+\s+\d+\s+([0-9a-f]+:[0-9a-f]+):(\d+)/.exec(line) ?? []
      return device === undefined || inode === undefined ? [] : [inode, `${device}:${inode}`]
    }),
  )
}

/** The two keys of a file. Some file systems (overlayfs, btrfs) tell programs another device than they lock under. */
function keysOf({ dev, ino }: { readonly dev: number; readonly ino: number }): { inode: string; file: string } {
  const hex = (number: number) => number.toString(16).padStart(2, '0')
  const [major, minor] = [(dev >>> 8) & 0xfff, (dev & 0xff) | ((dev >>> 12) & 0xfff00)]
  return { inode: String(ino), file: `${hex(major)}:${hex(minor)}:${ino}` }
}

/** Compares them with the rows. */
export function compareIdentities(known: Known, { hostBootId, of }: ObservedIdentities): Judgement {
  const { findings, add } = notes('N2')
  for (const observed of of) {
    const { workspaceId, process, isSurelyLocked } = observed
    const row = known.row(workspaceId)
    const place = known.vm(workspaceId)
    if (place === 'none' && isSurelyLocked) add(`${workspaceId} lock`, `Its lock is held, but ${known.describe(workspaceId)}.`, `stop ${workspaceId}`)
    // A workspace without its VM is told by N1.
    if (place !== 'must' || !row || !process) continue
    const mistakes = mistakesOf(observed, process, { hostBootId, bootId: row.boot_id, uid: row.slot === null ? undefined : known.rows.uidBase + row.slot })
    if (mistakes.length === 0) continue
    const remedy = `restart ${workspaceId}: a daemon that starts anew may not take up this virtual machine`
    add(workspaceId, `The virtual machine (pid ${process.pid}) is not the one its record names: ${mistakes.join('; ')}.`, remedy, { mistakes, process })
  }
  return { findings, checked: { records: of.filter(({ record }) => record !== undefined).length, locks: of.filter(({ isLocked }) => isLocked).length } }
}

interface Expected {
  readonly hostBootId: string
  readonly bootId: string | null
  readonly uid: number | undefined
}

function mistakesOf({ record, isLocked }: ObservedIdentity, process: NonNullable<ObservedIdentity['process']>, expected: Expected): string[] {
  const { hostBootId, bootId, uid } = expected
  const mistakes = isLocked ? [] : ['it does not hold the lock of its workspace']
  if (uid !== undefined && process.uid !== undefined && process.uid !== uid) mistakes.push(`it runs as user ${process.uid} instead of ${uid}`)
  if (typeof record !== 'object') return [...mistakes, record ?? 'there is no record']
  const { spec, handle } = record
  if (!handle) return [...mistakes, 'the record names no process']
  const pairs = [
    ['boot', bootId, spec.bootId],
    ['boot of the host', hostBootId, handle.hostBootId],
    ['pid', process.pid, handle.pid],
    ['start time', process.startTicks, handle.startTicks],
    ['user', uid ?? handle.uid, handle.uid],
  ] as const
  return [...mistakes, ...pairs.flatMap(([what, is, said]) => (is === said ? [] : [`the ${what} is ${is}, the record says ${said}`]))]
}
