/** What follows from a slot: tap name, address and MAC. Pure arithmetic, so that no table can disagree with the kernel. */
import type { SlotNames } from './network.ts'

/** Address of the gateway and of the name server, as every guest sees it. */
export const gateway = '10.0.0.1'

/** Hardware address of the gateway on every tap, so that the neighbour table of a guest stays true when its tap is replaced. */
export const gatewayMac = '06:00:0a:00:00:01'

/** Largest packet of a guest, bytes. A smaller uplink is dealt with by MSS clamping and path MTU discovery. */
export const guestMtu = 1500

/** Highest slot; the lowest is 1. */
export const maxSlot = 65535

const hostsPerBlock = 254

/** Names and addresses of a slot; addresses run from 10.1.0.1 and never end in 0 or 255. */
export function slotNames(slot: number): SlotNames {
  if (!Number.isInteger(slot) || slot < 1 || slot > maxSlot) throw new RangeError(`slot ${slot} is outside 1 to ${maxSlot}`)
  const block = Math.floor((slot - 1) / hostsPerBlock)
  const bytes = [10, 1 + (block >> 8), block & 255, 1 + ((slot - 1) % hostsPerBlock)]
  return {
    tap: `vm${slot}`,
    ip: bytes.join('.'),
    // 06 sets the bit of locally administered addresses and leaves the multicast bit clear.
    mac: `06:00:${bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':')}`,
  }
}

/** The slot of a tap name, or `undefined` when no slot has that name. */
export function slotOfTap(tap: string): number | undefined {
  const slot = Number(/^vm([1-9]\d{0,4})$/.exec(tap)?.[1])
  return slot <= maxSlot ? slot : undefined
}
