import assert from 'node:assert/strict'
import test from 'node:test'
import { createWorld } from '../../../../test/support/control.ts'
import { systemClock } from '../lib/clock.ts'
import * as rows from '../store/workspaces.ts'

const busybox = { image: 'busybox', config: {} }

test('a read shows what the last write left, also one by another process', async (t) => {
  const world = await createWorld(t)
  const { workspaces } = await world.plane()
  const other = await world.plane()
  const principal = await world.principal()
  const { id } = await workspaces.create(principal, busybox, undefined)
  const page = { page: 1, limit: 20 }
  for (const name of ['a', 'b', 'c']) {
    await other.workspaces.update(principal, id, { name })
    assert.equal((await workspaces.get(principal, id)).name, name)
    assert.equal((await workspaces.list(principal, page)).workspaces[0]?.name, name)
  }
  await world.store.transaction((tx) => rows.update(tx, id, { name: 'd' }, Date.now()))
  assert.equal((await workspaces.get(principal, id)).name, 'd')
  await other.workspaces.remove(principal, id)
  await assert.rejects(workspaces.get(principal, id), { code: 'not_found' })
  assert.deepEqual(await workspaces.list(principal, page), { workspaces: [], total: 0, page: 1, limit: 20 })
})

test('what is kept of one account is not shown to another', async (t) => {
  const world = await createWorld(t)
  const { workspaces } = await world.plane()
  const owner = await world.principal()
  const stranger = await world.principal()
  const { id } = await workspaces.create(owner, busybox, undefined)
  assert.equal((await workspaces.get(owner, id)).id, id)
  await assert.rejects(workspaces.get(stranger, id), { code: 'not_found' })
  assert.equal((await workspaces.list(stranger, { page: 1, limit: 20 })).total, 0)
})

test('while nothing is written the same object is given out for a second, and its uptime goes on', async (t) => {
  const world = await createWorld(t)
  let now = Date.now() + 60_000
  const { workspaces } = await world.plane({}, { ...systemClock, now: () => now, monotonic: () => now })
  const principal = await world.principal()
  const { id } = await workspaces.create(principal, busybox, undefined)
  const first = await workspaces.get(principal, id)
  assert.equal(await workspaces.get(principal, id), first)
  now += 5_000
  const later = await workspaces.get(principal, id)
  assert.equal(later.uptime - first.uptime, 5)
})
