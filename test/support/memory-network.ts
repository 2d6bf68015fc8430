/** A network in memory that outlives the runners on it, as the kernel's outlives the daemon. Every change is a step. */
import { fail } from '../../packages/server/src/lib/fail.ts'
import type { Step } from '../../packages/server/src/lib/step.ts'
import type { Network, NetworkLease } from '../../packages/server/src/network/network.ts'
import { gateway, guestMtu, slotNames } from '../../packages/server/src/network/slots.ts'

/** What the kernel would hold. */
export class MemoryKernel {
  isReady = false
  /** Taps and rules by slot. A rule without its tap would be a leak. */
  readonly taps = new Map<number, NetworkLease>()
  readonly rules = new Map<number, NetworkLease>()

  network(step: Step): Network {
    const isOurs = (slot: number, workspaceId: string) => this.taps.get(slot)?.workspaceId === workspaceId
    return {
      ensure: () =>
        step('network.ensure', async () => {
          this.isReady = true
        }),
      guestConfig({ slot }) {
        const { ip, mac } = slotNames(slot)
        return { ip, prefix: 32, gateway, mac, mtu: guestMtu, nameservers: [gateway] }
      },
      attach: async (lease) => {
        if (!this.isReady) fail('VM_UNAVAILABLE', { message: 'There is no namespace.' })
        await step('network.tap.move', async () => void this.taps.set(lease.slot, lease))
        await step('network.rules.open', async () => void this.rules.set(lease.slot, lease))
      },
      update: (lease) =>
        step('network.rules.update', async () => {
          if (!isOurs(lease.slot, lease.workspaceId)) fail('vm_not_running')
          this.rules.set(lease.slot, lease)
        }),
      verify: async (leases) => {
        for (const lease of leases) this.rules.set(lease.slot, lease)
        return 'repaired'
      },
      detach: async ({ slot, workspaceId }) => {
        if (this.taps.has(slot) && !isOurs(slot, workspaceId)) return
        await step('network.rules.close', async () => void this.rules.delete(slot))
        await step('network.tap.remove', async () => void this.taps.delete(slot))
      },
      findHolder: async (slot) => this.taps.get(slot)?.workspaceId,
      inventory: async () => [...this.rules, ...this.taps].map(([slot, { workspaceId, bootId }]) => ({ tap: slotNames(slot).tap, workspaceId, bootId })),
      discard: async ({ slot, bootId }) => {
        if (this.taps.has(slot) && this.taps.get(slot)?.bootId !== bootId) return
        if (this.rules.get(slot)?.bootId === bootId) await step('network.rules.close', async () => void this.rules.delete(slot))
        await step('network.tap.remove', async () => void this.taps.delete(slot))
      },
      counters: async () => ({ rxBytes: 0, txBytes: 0 }),
      destroy: async () => {
        this.isReady = false
      },
    }
  }
}
