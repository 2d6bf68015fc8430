/** Makes the base of the network, finds out whether it is still as it was made, and repairs it. */
import type { Logger } from '../lib/log.ts'
import type { Step } from '../lib/step.ts'
import { findUpstreams } from './dns.ts'
import { renderHostRuleset } from './host-ruleset.ts'
import { type InstallNames, renderOwner, uplink } from './names.ts'
import { ensureForwarding, ensureNamespace, ensureRouting, hasNamespace, hasPrivateMounts, hasRouting } from './namespace.ts'
import type { NetworkLease } from './network.ts'
import { applyInside, expectedListing, isSameListing, type Listing, readHostTable, readInside, type SlotRules } from './nft.ts'
import { renderClose, renderRuleset } from './ruleset.ts'
import { slotNames } from './slots.ts'
import { type FoundLink, listLinks, listRoutes, openTap } from './taps.ts'
import { ensureUplink, planUplink } from './uplink.ts'

/** What repair needs. */
export interface RepairDeps {
  readonly names: InstallNames
  readonly step: Step
  readonly log: Logger
  readonly resolvConfPaths: readonly string[]
}

/** Creates the two functions that keep the base right. They run one at a time. */
export function createRepair({ names, step, log, resolvConfPaths }: RepairDeps) {
  const inTurn = createQueue()
  const expect = createExpectation()

  const ensure = async (leases: readonly NetworkLease[] = []) => {
    const upstreams = await findUpstreams(resolvConfPaths)
    await ensureNamespace(names, step)
    await ensureRules(upstreams, leases)
    await ensureRouting(names, step)
    await ensureForwarding(names, step)
    const plan = await planUplink(names, upstreams)
    if (plan) await ensureUplink(names, plan, step, log)
    else log.warn('the host has no default route: workspaces have no internet')
    if (upstreams.length === 0) log.warn({ resolvConfPaths }, 'the host has no name server that guests could use: names are not resolved in workspaces')
    if (await hasPrivateMounts()) log.warn('this process has a private mount namespace: the network of workspaces ends with it')
  }

  const ensureRules = async (upstreams: readonly string[], leases: readonly NetworkLease[]) => {
    const { listing, slots, strays } = await readInside(names)
    const isRight = isSameListing(listing, await expect(renderRuleset(upstreams))) && strays.length === 0
    if (isRight && leases.length === 0) return
    const leased = leases.map((lease) => ({ slot: lease.slot, allowInternet: lease.allowInternet, owner: renderOwner(names, lease) }))
    // Where no lease is given, elements are kept if they are such as we write; a VM may just be starting.
    const isKept = ({ slot, isComplete, owner }: SlotRules) => isComplete && owner.startsWith(`${names.owner}:`) && !leases.some((lease) => lease.slot === slot)
    const kept = [...slots.values()].filter(isKept)
    await step('network.rules.load', () => applyInside(names, renderRuleset(upstreams, [...kept, ...leased])))
  }

  const findDamage = async (leases: readonly NetworkLease[]): Promise<string | undefined> => {
    if (!(await hasNamespace(names))) return 'the namespace is gone'
    const upstreams = await findUpstreams(resolvConfPaths)
    const [rules, links, routes, plan] = await Promise.all([readInside(names), listLinks(names), listRoutes(names), planUplink(names, upstreams)])
    if (!isSameListing(rules.listing, await expect(renderRuleset(upstreams)))) return 'the rules were changed'
    if (rules.strays.length > 0) return `the rules let through what is no tap of ours: ${rules.strays.join(', ')}`
    if (!(await hasRouting(names))) return 'the routing policies were changed'
    const damaged = leases.find((lease) => isDamaged(lease, rules.slots.get(lease.slot), links, routes))
    if (damaged) return `${slotNames(damaged.slot).tap} is not as its lease says`
    if (!plan) return undefined
    if (!plan.hasVeth || !routes.has(`default ${uplink}`)) return 'the uplink is gone'
    const hostRules = await expect(renderHostRuleset(names, plan.rules))
    return isSameListing(await readHostTable(names.hostTable), hostRules) ? undefined : 'the rules of the host side were changed'
  }

  const reopen = async (leases: readonly NetworkLease[]) => {
    const links = await listLinks(names)
    const present = leases.filter((lease) => links.some(({ name, alias }) => name === slotNames(lease.slot).tap && alias === renderOwner(names, lease)))
    const lost = leases.filter((lease) => !present.includes(lease)).map(({ workspaceId }) => workspaceId)
    const slots = present.map(({ slot }) => slot)
    await step('network.tap.reopen', () => openTap(names, slots))
    // A tap that was deleted cannot be given back to a running VMM.
    if (lost.length > 0) log.error({ workspaces: lost }, 'these workspaces have lost their network device; restart them')
  }

  /** Whether rules, link or route of a VM differ from its lease. A missing tap is no damage: it goes with its VM. */
  const isDamaged = (lease: NetworkLease, elements: SlotRules | undefined, links: readonly FoundLink[], routes: ReadonlySet<string>): boolean => {
    if (!elements?.isComplete || elements.allowInternet !== lease.allowInternet) return true
    const { tap, ip } = slotNames(lease.slot)
    const link = links.find(({ name, alias }) => name === tap && alias === renderOwner(names, lease))
    return link !== undefined && !(link.isUp && routes.has(`${ip} ${tap}`))
  }

  return {
    /** Changes elements, but never while the ruleset is being replaced: they would be lost. */
    changeRules: (text: string) => inTurn(() => applyInside(names, text)),
    /** Removes the elements of a slot if they are those of this owner. */
    closeRules: (slot: number, owner: string) =>
      inTurn(async () => {
        if ((await readInside(names)).slots.get(slot)?.owner === owner) await applyInside(names, renderClose(slot))
      }),
    ensure: () => inTurn(() => ensure()),
    verify: (leases: readonly NetworkLease[]) =>
      inTurn(async (): Promise<'ok' | 'repaired'> => {
        const damage = await findDamage(leases)
        if (damage === undefined) return 'ok'
        log.warn({ damage }, 'the network of workspaces is being repaired')
        await ensure(leases)
        await reopen(leases)
        return 'repaired'
      }),
  }
}

/** Runs functions one after the other, whatever becomes of each. */
function createQueue() {
  let last: Promise<unknown> = Promise.resolve()
  return <T>(fn: () => Promise<T>): Promise<T> => {
    const next = last.then(fn, fn)
    last = next.catch(() => {})
    return next
  }
}

/** Remembers the listings of the two texts that are in use, since making one takes a process. */
function createExpectation() {
  const known = new Map<string, Listing>()
  return async (text: string): Promise<Listing> => {
    const listing = known.get(text) ?? (await expectedListing(text))
    known.delete(text)
    known.set(text, listing)
    for (const oldest of known.keys()) if (known.size > 2) known.delete(oldest)
    return listing
  }
}
