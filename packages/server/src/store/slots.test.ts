import assert from 'node:assert/strict'
import test from 'node:test'
import { sql } from 'kysely'
import { sqliteStore } from '../../../../test/support/store.ts'
import { allocate, find, lastSlot, listHeld, release } from './slots.ts'

const rest = { restMs: 60_000 }

test('a workspace keeps its slot, and slots are given from the lowest', async (t) => {
  const { store } = await sqliteStore(t)
  const take = (id: string) => store.transaction((tx) => allocate(tx, id, 0, rest))
  assert.deepEqual([await take('ws_a'), await take('ws_b'), await take('ws_a')], [1, 2, 1])
  assert.deepEqual(await listHeld(store.db), [
    { slot: 1, workspaceId: 'ws_a' },
    { slot: 2, workspaceId: 'ws_b' },
  ])
})

test('a released slot is given again only after all others were used and it has rested, the longest resting first', async (t) => {
  const { store } = await sqliteStore(t)
  const take = (id: string, now: number) => store.transaction((tx) => allocate(tx, id, now, rest))
  await store.transaction(async (tx) => {
    await sql`insert into slots (slot, workspace_id)
      with recursive n(i) as (select 1 union all select i + 1 from n where i < ${lastSlot - 1}) select i, 'ws_' || i from n`.execute(tx)
    await release(tx, 'ws_7', 1000)
    await release(tx, 'ws_7', 2000)
    await release(tx, 'ws_5', 1500)
  })
  assert.equal(await take('ws_x', 100_000), lastSlot)
  await assert.rejects(take('ws_y', 60_999), { code: 'service_unavailable' })
  assert.equal(await take('ws_y', 61_000), 7)
  await assert.rejects(take('ws_z', 61_499), { code: 'service_unavailable' })
  assert.equal(await take('ws_z', 61_500), 5)
  assert.equal(await find(store.db, 'ws_7'), undefined)
})
