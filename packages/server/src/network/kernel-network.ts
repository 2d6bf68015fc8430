/**
 * The network of VMs on a Linux host. Holds no state: everything is read from the kernel or follows from the lease, so a restarted daemon
 * goes on where the killed one stopped.
 */
import { fail } from '../lib/fail.ts'
import type { Logger } from '../lib/log.ts'
import type { Step } from '../lib/step.ts'
import { resolvConfPaths as defaultResolvConfPaths } from './dns.ts'
import { flushFlows } from './flows.ts'
import { installNames, parseOwner, renderOwner } from './names.ts'
import { hasNamespace, removeNamespace } from './namespace.ts'
import type { Network, NetworkLease } from './network.ts'
import { readInside } from './nft.ts'
import { createRepair } from './repair.ts'
import { renderClose, renderOpen } from './ruleset.ts'
import { gateway, guestMtu, slotNames } from './slots.ts'
import { closeTap, findTap, listLinks, moveTap, openTap, removeTap } from './taps.ts'
import { removeUplink } from './uplink.ts'

/** What the network needs. */
export interface NetworkDeps {
  readonly installId: string
  readonly step: Step
  readonly log: Logger
  /** Files that name the host's name servers, best first. */
  readonly resolvConfPaths?: readonly string[]
}

/** Creates the network of one install. Nothing is touched before `ensure`. @throws RangeError for an unusable install id */
export function createNetwork({ installId, step, log, resolvConfPaths = defaultResolvConfPaths }: NetworkDeps): Network {
  const names = installNames(installId)
  const repair = createRepair({ names, step, log, resolvConfPaths })

  const open = async (lease: NetworkLease) => {
    await step('network.rules.open', () => repair.changeRules(renderOpen(lease, renderOwner(names, lease))))
    await step('network.tap.up', () => openTap(names, [lease.slot]))
  }

  const clear = async (slot: number) => {
    const { tap, ip } = slotNames(slot)
    await step('network.tap.down', () => closeTap(names, tap))
    // With the link down no flow can begin, so the two need no order.
    await Promise.all([step('network.rules.close', () => repair.changeRules(renderClose(slot))), step('network.flows.flush', () => flushFlows(names, ip))])
    await step('network.tap.remove', () => removeTap(names, tap))
  }

  return {
    ensure: repair.ensure,
    verify: repair.verify,

    guestConfig(lease) {
      const { ip, mac } = slotNames(lease.slot)
      return { ip, prefix: 32, gateway, mac, mtu: guestMtu, nameservers: [gateway] }
    },

    async attach(lease, vmmPid) {
      const { tap, ip } = slotNames(lease.slot)
      const alias = renderOwner(names, lease)
      const present = await findTap(names, tap)
      if (present?.alias !== alias) {
        if (present) await clear(lease.slot)
        // The tap arrives down, so flows of a former owner are gone before the first packet.
        await Promise.all([step('network.flows.flush', () => flushFlows(names, ip)), step('network.tap.move', () => moveTap(names, lease.slot, alias, vmmPid))])
      }
      await open(lease)
    },

    async update(lease) {
      const { tap, ip } = slotNames(lease.slot)
      if ((await findTap(names, tap))?.alias !== renderOwner(names, lease)) fail('vm_not_running')
      await step('network.rules.update', () => repair.changeRules(renderOpen(lease, renderOwner(names, lease))))
      if (!lease.allowInternet) await step('network.flows.flush', () => flushFlows(names, ip))
    },

    async detach(lease) {
      if (!(await hasNamespace(names))) return
      const present = await findTap(names, slotNames(lease.slot).tap)
      const owner = parseOwner(names, present?.alias)
      // The slot has a new owner: what the old one had was removed when that one attached.
      if (present && owner?.workspaceId !== lease.workspaceId) return
      try {
        await clear(lease.slot)
      } catch (error) {
        // Rules that are gone cannot be deleted; the tap must go all the same.
        log.warn({ err: error, workspaceId: lease.workspaceId }, 'the network is repaired so that a slot can be cleared')
        await repair.ensure()
        await clear(lease.slot)
      }
    },

    async findHolder(slot) {
      if (!(await hasNamespace(names))) return undefined
      return parseOwner(names, (await findTap(names, slotNames(slot).tap))?.alias)?.workspaceId
    },

    async inventory() {
      if (!(await hasNamespace(names))) return []
      const [links, { slots }] = await Promise.all([listLinks(names), readInside(names)])
      const marks = [
        ...links.map(({ name, alias }) => ({ tap: name, alias })),
        ...[...slots].map(([slot, { owner }]) => ({ tap: slotNames(slot).tap, alias: owner })),
      ]
      const found = marks.flatMap(({ tap, alias }) => {
        const owner = parseOwner(names, alias)
        return owner ? [{ tap, ...owner }] : []
      })
      return [...new Map(found.map((one) => [`${one.tap} ${one.bootId}`, one])).values()]
    },

    async discard({ workspaceId, bootId, slot }) {
      if (!(await hasNamespace(names))) return
      const owner = renderOwner(names, { workspaceId, bootId })
      const present = await findTap(names, slotNames(slot).tap)
      // Whoever has the slot now has reset it.
      if (present && present.alias !== owner) return
      await step('network.rules.close', () => repair.closeRules(slot, owner))
      if (present) await step('network.tap.remove', () => removeTap(names, slotNames(slot).tap))
    },

    async counters(slot) {
      const link = (await hasNamespace(names)) ? await findTap(names, slotNames(slot).tap) : undefined
      // What the kernel sends, the VM receives.
      return link ? { rxBytes: link.txBytes, txBytes: link.rxBytes } : fail('vm_not_running')
    },

    async destroy() {
      await removeUplink(names, step)
      await removeNamespace(names, step)
    },
  }
}
