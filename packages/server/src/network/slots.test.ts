import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { gateway, gatewayMac, maxSlot, slotNames, slotOfTap } from './slots.ts'

test('no two slots share a tap, an address or a MAC', () => {
  const all = Array.from({ length: maxSlot }, (_, at) => slotNames(at + 1))
  for (const key of ['tap', 'ip', 'mac'] as const) assert.equal(new Set(all.map((names) => names[key])).size, maxSlot)
  assert.ok(all.every(({ ip, mac }) => ip !== gateway && mac !== gatewayMac))
})

test('every slot has a name the kernel takes, a host address in 10.0.0.0/8 and a locally administered unicast MAC', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: maxSlot }), (slot) => {
      const { tap, ip, mac } = slotNames(slot)
      assert.ok(Buffer.byteLength(tap) <= 15)
      const [a = 0, b = 0, , d = 0] = ip.split('.').map(Number)
      assert.ok(a === 10 && b >= 1 && b <= 255 && d >= 1 && d <= 254)
      assert.match(mac, /^06(:[0-9a-f]{2}){5}$/)
      assert.equal(slotOfTap(tap), slot)
    }),
  )
})

test('a slot outside the pool is refused', () => {
  for (const slot of [0, -1, 1.5, maxSlot + 1, Number.NaN]) assert.throws(() => slotNames(slot), RangeError)
  for (const tap of ['vm0', 'vm01', 'vm65536', 'tap0', 'vm', 'uplink']) assert.equal(slotOfTap(tap), undefined)
})
