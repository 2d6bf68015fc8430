/**
 * What is on the host and should not be. Nothing is destroyed on missing evidence: a stranger must have been deleted according to the
 * database, and be seen twice, a grace period apart; many at once stop the pass.
 */
import { messageOf } from '../lib/fail.ts'
import * as events from '../store/events.ts'
import * as slots from '../store/slots.ts'
import * as workspaces from '../store/workspaces.ts'
import type { Control } from './control.ts'

/** Time a stranger is left alone after it was first seen, ms. */
const graceMs = 60_000

/** Strangers that one pass removes at most; more look like a mistake of ours. */
const perPass = 3

/** Makes the function that removes what no row explains. It remembers when it first saw each. */
export function createReclaim({ runner, store, clock, log }: Pick<Control, 'runner' | 'store' | 'clock' | 'log'>): () => Promise<void> {
  const seen = new Map<string, { readonly since: number; readonly wasDeleted: boolean }>()

  /** The host is read before the rows, so that a workspace that is just being made is not a stranger. */
  async function look(): Promise<number> {
    const found = await runner.inventory()
    const known = new Set(await workspaces.listIds(store.db))
    const unknown = new Set(found.filter((id) => !known.has(id)))
    for (const id of seen.keys()) if (!unknown.has(id)) seen.delete(id)
    for (const id of unknown) if (!seen.has(id)) seen.set(id, { since: clock.monotonic(), wasDeleted: await wasDeleted(id) })
    return known.size
  }

  async function wasDeleted(id: string): Promise<boolean> {
    if (await events.wasDeleted(store.db, id)) return true
    // Events are never removed, so this database is older than the workspace, or another one's.
    log.error({ workspaceId: id }, 'the database has never heard of this workspace; it is left alone. Check that the database belongs to this data directory.')
    return false
  }

  return async () => {
    const rows = await look()
    const due = [...seen].filter(([, stranger]) => stranger.wasDeleted && clock.monotonic() - stranger.since >= graceMs).map(([id]) => id)
    if (due.length > Math.max(perPass, rows * 0.1)) {
      log.error({ strangers: due }, 'too many strangers at once to be believed; nothing is reclaimed')
      return
    }
    for (const workspaceId of due) {
      log.warn({ workspaceId }, 'reclaiming what is left of a deleted workspace')
      await runner.destroy({ workspaceId, slot: null }).then(
        () => seen.delete(workspaceId),
        (error) => log.error({ workspaceId, reason: messageOf(error) }, 'could not reclaim it; it is tried again'),
      )
    }
  }
}

/** Ends VMs of workspaces whose rows say that they have none: a stop or a failed boot that could not end them at the time. */
export async function endLeftOvers({ runner, store, mailboxes, log }: Control): Promise<void> {
  for (const { workspaceId } of await runner.processes()) {
    if (mailboxes.current(workspaceId) !== undefined || !(await isAtRest(workspaceId))) continue
    const turn = async () => {
      if (!(await isAtRest(workspaceId))) return
      log.warn({ workspaceId }, 'ending a virtual machine of a workspace that has none')
      await runner.shutdown({ workspaceId, slot: (await slots.find(store.db, workspaceId)) ?? null }, 0)
    }
    await mailboxes
      .run(workspaceId, 'recover', turn, { joins: false })
      .catch((error) => log.error({ workspaceId, reason: messageOf(error) }, 'could not end it; it is tried again'))
  }

  async function isAtRest(id: string): Promise<boolean> {
    const row = await workspaces.findAny(store.db, id)
    return row?.status === 'stopped' || row?.status === 'failed'
  }
}
