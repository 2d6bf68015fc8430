/** N9: each slot, and so each address, MAC, tap and user, has one owner at most, and that one exists. */
import { type Judgement, notes } from './finding.ts'
import type { Known } from './known.ts'

/** A slot that is to rest longer than this was released by a clock that was wrong, ms. */
const toleranceMs = 3_600_000

/** Looks at the pool and at the rows that need a slot. Slots are read from the rows themselves; there is nothing to observe. */
export function compareAllocations(known: Known, now: number): Judgement {
  const { findings, add } = notes('N9')
  const { slots, workspaces } = known.rows
  const ids = new Set(workspaces.map(({ id }) => id))
  for (const { slot, workspace_id: id, released_at: releasedAt } of slots) {
    if (id !== null && !ids.has(id))
      add(`slot ${slot}`, `It is held, but ${known.describe(id)}.`, 'give it back: set workspace_id to null and released_at to now', { workspaceId: id })
    if (releasedAt !== null && releasedAt > now + toleranceMs)
      add(`slot ${slot}`, 'It was released in the future, and rests until then.', 'set the clock of the host', { releasedAt })
  }
  for (const [what, keys] of [
    ['slot', slots.map(({ slot }) => slot)],
    ['holder', slots.flatMap(({ workspace_id }) => workspace_id ?? [])],
    ['boot', workspaces.flatMap(({ boot_id }) => boot_id ?? [])],
  ] as const) {
    for (const key of duplicates<string | number>(keys))
      add(`${what} ${key}`, 'It is there twice.', 'restore the database from a backup; its constraints were broken')
  }
  for (const { id, status, slot } of known.steady) {
    if (slot === null && (known.vm(id) === 'must' || status === 'creating' || status === 'starting'))
      add(`slot of ${id}`, `It has none, and is ${status}.`, `stop and start ${id}`)
  }
  return { findings, checked: { slots: slots.length, held: slots.filter(({ workspace_id }) => workspace_id !== null).length } }
}

function duplicates<T>(keys: readonly T[]): Set<T> {
  return new Set(keys.filter((key, at) => keys.indexOf(key) !== at))
}
