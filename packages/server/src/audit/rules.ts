/** N4: the packet filter holds what follows from the rows, inside the namespace and on the host. */
import { inside, onHost } from '../network/commands.ts'
import { findUpstreams, resolvConfPaths } from '../network/dns.ts'
import { renderHostRuleset } from '../network/host-ruleset.ts'
import { type InstallNames, parseOwner, renderOwner } from '../network/names.ts'
import { hasNamespace } from '../network/namespace.ts'
import { expectedListing, type Listing, readHostTable, readInside, type SlotRules } from '../network/nft.ts'
import { renderRuleset } from '../network/ruleset.ts'
import { slotOfTap } from '../network/slots.ts'
import { planUplink } from '../network/uplink.ts'
import { type Judgement, notes } from './finding.ts'
import type { Known } from './known.ts'
import type { Place } from './place.ts'

/** What nft holds for an installation. */
export interface ObservedRules {
  /** Lines of the listing inside that are too many or missing. */
  readonly inside: readonly string[]
  readonly slots: ReadonlyMap<number, SlotRules>
  /** Elements that name no tap. */
  readonly strays: readonly string[]
  /** Lines of the host's table that are too many or missing. */
  readonly outside: readonly string[]
  /** Tables on the host that bear the name or mark of the installation and are not its own. */
  readonly tables: readonly string[]
  readonly count: number
}

/** Reads the rules, and renders those that should be there by the same kernel. */
export async function observeRules({ names }: Pick<Place, 'names'>): Promise<ObservedRules> {
  const tables = await strangeTables(names)
  if (!(await hasNamespace(names))) return { inside: [], slots: new Map(), strays: [], outside: [], tables, count: 0 }
  const upstreams = await findUpstreams(resolvConfPaths)
  const [rules, expected, plan, strays] = await Promise.all([
    readInside(names),
    expectedListing(renderRuleset(upstreams)),
    planUplink(names, upstreams),
    strayElements(names),
  ])
  const host = await readHostTable(names.hostTable)
  // Without a way out of the host there is no table; one of before stays until the next repair.
  const expectedHost = plan ? await expectedListing(renderHostRuleset(names, plan.rules)) : host
  const count = rules.listing.length + host.length
  return { inside: difference(rules.listing, expected), slots: rules.slots, strays, outside: difference(host, expectedHost), tables, count }
}

async function strangeTables(names: InstallNames): Promise<string[]> {
  const { nftables } = JSON.parse(await onHost(['nft', '-j', 'list', 'tables'])) as { nftables: { table?: { family: string; name: string } }[] }
  return nftables.flatMap(({ table }) => (table?.name === names.hostTable && table.family !== 'ip' ? [`${table.family} ${table.name}`] : []))
}

/** Elements of our sets whose first word is the name of no tap: `readInside` passes over them. */
async function strayElements(names: InstallNames): Promise<string[]> {
  const { nftables } = JSON.parse(await inside(names, ['nft', '-j', 'list', 'sets'])) as { nftables: { set?: { name: string; elem?: unknown[] } }[] }
  return nftables.flatMap(({ set }) => {
    if (!set || !['sources', 'internet'].includes(set.name)) return []
    return (set.elem ?? []).flatMap((element) => {
      const key = firstWord(element)
      return slotOfTap(key) === undefined ? [`${set.name} ${key}`] : []
    })
  })
}

function firstWord(element: unknown): string {
  const value = (element as { elem?: { val: unknown } }).elem?.val ?? element
  return String(typeof value === 'string' ? value : (value as { concat?: unknown[] }).concat?.[0])
}

/** Lines that only one of two listings has; `+` those that should not be there, `-` those that are missing. */
export function difference(found: Listing, expected: Listing): string[] {
  const short = (line: string) => line.slice(0, 300)
  return [
    ...found.filter((line) => !expected.includes(line)).map((line) => `+ ${short(line)}`),
    ...expected.filter((line) => !found.includes(line)).map((line) => `- ${short(line)}`),
  ]
}

/** Compares them with the rows. */
export function compareRules(known: Known, names: InstallNames, observed: ObservedRules): Judgement {
  const { findings, add } = notes('N4')
  const repair = 'the daemon repairs it in its next pass; if it comes back, find who changes the rules'
  const { slots, strays, tables, count } = observed
  if (observed.inside.length > 0) add(`rules of ${names.namespace}`, 'The rules inside the namespace were changed.', repair, { lines: observed.inside })
  if (observed.outside.length > 0) add(`table ip ${names.hostTable}`, 'The rules on the host were changed.', repair, { lines: observed.outside })
  for (const stray of strays) add(`element ${stray}`, 'It lets a device through that is no tap of a slot.', repair)
  for (const table of tables) add(`table ${table}`, 'It bears the name of this installation and is none of its tables.', `nft delete table ${table}`)
  for (const [slot, { owner }] of slots) {
    const id = parseOwner(names, owner)?.workspaceId
    if (id === undefined) add(`elements of slot ${slot}`, `They have no owner of this installation: ${JSON.stringify(owner)}.`, repair)
    else if (known.vm(id) === 'none') add(`elements of slot ${slot}`, `They are there, but ${known.describe(id)}.`, repair, { owner })
  }
  for (const { id, boot_id: bootId, slot, config } of known.running) {
    if (slot === null || bootId === null) continue // Told by N9.
    const found = slots.get(slot)
    const owner = renderOwner(names, { workspaceId: id, bootId })
    const allowInternet = config.network_config.allow_internet
    const object = `elements of slot ${slot}`
    if (!found) add(object, `They are missing: ${id} has no network.`, repair, { workspaceId: id })
    else if (!found.isComplete || found.owner !== owner || found.allowInternet !== allowInternet)
      add(object, `They are not those of ${id}.`, repair, { found: { ...found }, expected: { owner, allowInternet } })
  }
  return { findings, checked: { rules: count, slots: slots.size } }
}
