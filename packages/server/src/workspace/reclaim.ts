/**
 * What is on the host and should not be. Nothing is destroyed on missing evidence: the database must say that the workspace was deleted, or
 * that the boot is over and another one came after it; the stranger must be seen twice, a grace period apart; an inventory or a database
 * that cannot be read stops the pass, and so do many strangers at once.
 */
import { liveStatuses, movingStatuses } from '@alcove/contract'
import { messageOf } from '../lib/fail.ts'
import type { BootTraces, HostInventory } from '../runner/runner.ts'
import * as events from '../store/events.ts'
import * as slots from '../store/slots.ts'
import * as workspaces from '../store/workspaces.ts'
import type { Control } from './control.ts'

/** Time a stranger is left alone after it was first seen, ms. */
const graceMs = 60_000

/** Strangers that one pass removes at most; more look like a mistake of ours. */
const perPass = 3

/** A workspace that is gone with all its boots, or one boot of a workspace that is there. */
interface Stranger {
  readonly workspaceId: string
  /** `null`: everything of the workspace. */
  readonly boot: BootTraces | null
}

/** Makes the function that removes what no row explains. It remembers when it first saw each. */
export function createReclaim(control: Control): () => Promise<void> {
  const { runner, store, clock, mailboxes, log } = control
  const seen = new Map<string, { readonly since: number; readonly isProved: boolean }>()

  /** Whether the database can tell that this is over. */
  async function isProved({ workspaceId, boot }: Stranger): Promise<boolean> {
    const proved = boot ? await events.knowsBoot(store.db, workspaceId, boot.bootId) : await events.wasDeleted(store.db, workspaceId)
    // Deletes are never forgotten, so this database is older than what is on the host, or another one's.
    const message = 'the database has never heard of what is on the host; it is left alone. Check that the database belongs to this data directory.'
    if (!proved) log.error({ workspaceId, bootId: boot?.bootId }, message)
    return proved
  }

  async function note(strangers: ReadonlyMap<string, Stranger>): Promise<[string, Stranger][]> {
    for (const key of seen.keys()) if (!strangers.has(key)) seen.delete(key)
    for (const [key, stranger] of strangers) if (!seen.has(key)) seen.set(key, { since: clock.monotonic(), isProved: await isProved(stranger) })
    return [...strangers].filter(([key]) => {
      const first = seen.get(key)
      return first?.isProved && clock.monotonic() - first.since >= graceMs
    })
  }

  async function remove({ workspaceId, boot }: Stranger): Promise<void> {
    log.warn({ workspaceId, bootId: boot?.bootId }, boot ? 'reclaiming what is left of a former boot' : 'reclaiming what is left of a deleted workspace')
    if (boot) {
      const turn = async () => {
        // As it is now: the workspace may have been started or deleted since it was looked at.
        if (isStrange(await workspaces.findAny(store.db, workspaceId), boot.bootId)) await runner.discard(await withoutHeldSlots(control, boot))
      }
      await mailboxes.run(workspaceId, 'recover', turn, { joins: false })
    } else {
      await runner.destroy({ workspaceId, slot: null })
      // Groups that no record and no directory names any more.
      for (const left of (await runner.inventory()).boots) if (left.workspaceId === workspaceId) await runner.discard(await withoutHeldSlots(control, left))
    }
  }

  return async () => {
    // The host is read before the rows, so that a workspace or a boot that is just being made is no stranger.
    const found = await runner.inventory()
    const rows = new Map((await workspaces.listBoots(store.db)).map((row) => [row.id, row]))
    const due = await note(strangersOf(found, rows, (id) => mailboxes.current(id) !== undefined))
    if (due.length > Math.max(perPass, rows.size * 0.1)) {
      log.error({ strangers: due.map(([key]) => key) }, 'too many strangers at once to be believed; nothing is reclaimed')
      return
    }
    for (const [key, stranger] of due) {
      await remove(stranger).then(
        () => seen.delete(key),
        (error) => log.error({ key, reason: messageOf(error) }, 'could not reclaim it; it is tried again'),
      )
    }
  }
}

type Row = Pick<workspaces.WorkspaceRow, 'id' | 'status' | 'boot_id'>

/** What no row explains, by a name to remember it. What is being worked at is no stranger. */
function strangersOf(found: HostInventory, rows: ReadonlyMap<string, Row>, isBusy: (id: string) => boolean): Map<string, Stranger> {
  const strangers = new Map<string, Stranger>()
  for (const workspaceId of found.workspaces) if (!rows.has(workspaceId) && !isBusy(workspaceId)) strangers.set(workspaceId, { workspaceId, boot: null })
  for (const boot of found.boots) {
    const { workspaceId, bootId } = boot
    if (rows.has(workspaceId) && !isBusy(workspaceId) && isStrange(rows.get(workspaceId), bootId))
      strangers.set(`${workspaceId} ${bootId}`, { workspaceId, boot })
  }
  return strangers
}

/** Whether a boot is not the one that the row speaks of, or the row says that there is no VM. */
function isStrange(row: Row | undefined, bootId: string): boolean {
  if (!row) return false
  const mayHaveVm = ([...liveStatuses, ...movingStatuses] as readonly string[]).includes(row.status)
  return !mayHaveVm || row.boot_id !== bootId
}

/** A slot that somebody else has by now was reset when that one took it; its tap may be there before its rules. */
async function withoutHeldSlots({ store }: Pick<Control, 'store'>, boot: BootTraces): Promise<BootTraces> {
  const others = new Set((await slots.listHeld(store.db)).filter(({ workspaceId }) => workspaceId !== boot.workspaceId).map(({ slot }) => slot))
  return { ...boot, slots: boot.slots.filter((slot) => !others.has(slot)) }
}

/** Ends VMs of workspaces whose rows say that they have none: a stop or a failed boot that could not end them at the time. */
export async function endLeftOvers({ runner, store, mailboxes, log }: Control): Promise<void> {
  for (const { workspaceId, bootId } of await runner.processes()) {
    if (mailboxes.current(workspaceId) !== undefined || !(await isOver(workspaceId, bootId))) continue
    const turn = async () => {
      if (!(await isOver(workspaceId, bootId))) return
      log.warn({ workspaceId }, 'ending a virtual machine of a workspace that has none')
      await runner.shutdown({ workspaceId, slot: (await slots.find(store.db, workspaceId)) ?? null }, 0)
    }
    await mailboxes
      .run(workspaceId, 'recover', turn, { joins: false })
      .catch((error) => log.error({ workspaceId, reason: messageOf(error) }, 'could not end it; it is tried again'))
  }

  /** A boot that the database has never heard of is newer than it, and may well be wanted. */
  async function isOver(id: string, bootId: string): Promise<boolean> {
    const row = await workspaces.findAny(store.db, id)
    return (row?.status === 'stopped' || row?.status === 'failed') && (await events.knowsBoot(store.db, id, bootId))
  }
}
