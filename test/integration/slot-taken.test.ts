/** The slot of a workspace is used by a VM that the database does not know, as after an older database was put back. */
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { AlcoveError } from '../../packages/server/src/lib/fail.ts'
import { createLogger } from '../../packages/server/src/lib/log.ts'
import type { BootDependencies } from '../../packages/server/src/runner/boot.ts'
import { refuseTakenSlot } from '../../packages/server/src/runner/refuse-taken-slot.ts'
import * as slots from '../../packages/server/src/store/slots.ts'
import { createWorld } from '../support/control.ts'

async function setUp(t: TestContext) {
  const world = await createWorld(t)
  const plane = await world.plane()
  const principal = await world.principal()
  const taken = new Set<number>()
  world.host.knobs.onBoot = async ({ slot }) => {
    if (taken.has(slot)) throw new AlcoveError('service_unavailable', { details: { reason: 'slot_taken' } })
  }
  const create = (more = {}) => plane.workspaces.create(principal, { image: 'busybox', config: {}, ...more })
  return { plane, principal, taken, create, slotOf: (id: string) => slots.find(world.store.db, id) }
}

test('a new workspace gets a slot that nobody uses, whatever it is to be', async (t) => {
  const { taken, create, slotOf } = await setUp(t)
  for (const slot of [1, 2, 3, 6]) taken.add(slot)
  const first = await create()
  const second = await create({ mode: 'permanent' })
  const third = await create({ config: { static_network: true } })
  assert.deepEqual([await slotOf(first.id), await slotOf(second.id), await slotOf(third.id)], [4, 5, 7])
  assert.deepEqual([first.status, second.status, third.status], ['running', 'running', 'running'])
})

test('an address that is to stay is not changed: the start is refused; one that is not moves', async (t) => {
  const { plane, principal, taken, create, slotOf } = await setUp(t)
  const kept = await create({ mode: 'permanent' })
  const moving = await create()
  for (const { id } of [kept, moving]) await plane.workspaces.stop(principal, id)
  for (const slot of [1, 2, 3]) taken.add(slot)
  await assert.rejects(plane.workspaces.start(principal, kept.id), { code: 'service_unavailable', details: { reason: 'slot_taken' } })
  assert.equal(await slotOf(kept.id), 1)
  await plane.workspaces.start(principal, moving.id)
  assert.ok(!taken.has((await slotOf(moving.id)) ?? 0))
})

test('a slot is taken by the tap or by the user of another workspace, never by the same one', async () => {
  const spec = { workspaceId: 'ws_a', slot: 7 }
  const host = (byTap?: string, byUid?: string) =>
    ({
      uidBase: 1000,
      log: createLogger('silent'),
      network: { findHolder: async (slot: number) => (slot === 7 ? byTap : undefined) },
      vmm: { findByUid: async (uid: number) => (uid === 1007 && byUid ? { workspaceId: byUid } : undefined) },
    }) as unknown as BootDependencies
  for (const [tap, uid] of [['ws_b'], [undefined, 'ws_b'], ['ws_a', 'ws_b'], ['ws_b', 'ws_a']])
    await assert.rejects(refuseTakenSlot(host(tap, uid), spec), { code: 'service_unavailable', details: { reason: 'slot_taken' } })
  for (const [tap, uid] of [[], ['ws_a'], ['ws_a', 'ws_a']]) await refuseTakenSlot(host(tap, uid), spec)
})
