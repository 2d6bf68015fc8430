/** Slots of the address pool. Address, MAC, tap and uid of a workspace derive from its slot, so two workspaces never hold the same one. */
import { sql } from 'kysely'
import { fail } from '../lib/fail.ts'
import { dialectOf } from './prepared.ts'
import type { Queryable, Tx } from './schema.ts'

/** The highest slot. */
export const lastSlot = 65_535

/** A slot and who holds it. */
export interface HeldSlot {
  readonly slot: number
  readonly workspaceId: string
}

/**
 * Gives a workspace a slot: the one it holds, else one that was never used, else the one that was released first and has rested.
 * @param options.restMs how long a released slot must rest, so that nothing of its last holder is still in flight
 * @throws service_unavailable when every slot is held or rests
 */
export async function allocate(tx: Tx, workspaceId: string, now: number, options: { readonly restMs: number }): Promise<number> {
  // One allocation at a time across all accounts; SQLite has one writer anyway.
  if (dialectOf(tx) === 'postgres') await sql`select pg_advisory_xact_lock(${slotLock})`.execute(tx)
  const held = await find(tx, workspaceId)
  if (held !== undefined) return held
  return (await takeUnused(tx, workspaceId)) ?? (await takeRested(tx, workspaceId, now - options.restMs)) ?? exhausted()
}

/** Takes the slot away from a workspace; it rests from `now` on. Idempotent. */
export async function release(tx: Queryable, workspaceId: string, now: number): Promise<void> {
  await tx.updateTable('slots').set({ workspace_id: null, released_at: now }).where('workspace_id', '=', workspaceId).execute()
}

/** Returns the slot a workspace holds. */
export async function find(q: Queryable, workspaceId: string): Promise<number | undefined> {
  const row = await q.selectFrom('slots').select('slot').where('workspace_id', '=', workspaceId).executeTakeFirst()
  return row?.slot
}

/** Returns every slot that is held, lowest first. */
export async function listHeld(q: Queryable): Promise<HeldSlot[]> {
  const rows = await q.selectFrom('slots').select(['slot', 'workspace_id']).where('workspace_id', 'is not', null).orderBy('slot').execute()
  return rows.flatMap(({ slot, workspace_id }) => (workspace_id === null ? [] : { slot, workspaceId: workspace_id }))
}

/** Key of the advisory lock; any number that nothing else in the database uses. */
const slotLock = 1_634_493_295

async function takeUnused(tx: Tx, workspaceId: string): Promise<number | undefined> {
  // Rows are made in order and never removed, so the lowest unused slot follows the highest row.
  const highest = await tx.selectFrom('slots').select('slot').orderBy('slot', 'desc').limit(1).executeTakeFirst()
  const slot = (highest?.slot ?? 0) + 1
  if (slot > lastSlot) return undefined
  await tx.insertInto('slots').values({ slot, workspace_id: workspaceId, released_at: null }).execute()
  return slot
}

async function takeRested(tx: Tx, workspaceId: string, releasedBefore: number): Promise<number | undefined> {
  const oldest = await tx
    .selectFrom('slots')
    .select('slot')
    .where('workspace_id', 'is', null)
    .where('released_at', '<=', releasedBefore)
    .orderBy('released_at')
    .orderBy('slot')
    .limit(1)
    .executeTakeFirst()
  if (!oldest) return undefined
  await tx.updateTable('slots').set({ workspace_id: workspaceId, released_at: null }).where('slot', '=', oldest.slot).execute()
  return oldest.slot
}

function exhausted(): never {
  fail('service_unavailable', {
    message: 'No network address is free on this host; delete a workspace and try again a minute later.',
    details: { reason: 'slots' },
  })
}
