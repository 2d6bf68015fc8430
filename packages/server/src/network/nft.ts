/**
 * Applies rules and compares what the kernel holds with what it should hold.
 *
 * A listing differs in form from the text that was loaded, so the expectation is made by the same kernel and the same nft: the text is
 * loaded into a namespace that lives as long as one process, and listed there.
 */
import { inside, onHost } from './commands.ts'
import type { InstallNames } from './names.ts'
import { insideTable, type SlotElements } from './ruleset.ts'
import { slotNames, slotOfTap } from './slots.ts'

/** One entry of `nft -j list ruleset`. */
type Entry = Readonly<Record<string, Readonly<Record<string, unknown>>>>

/** A listing without what changes by itself (handles) and without the elements of VMs. */
export type Listing = readonly string[]

/** Applies text inside the namespace as one transaction. @throws VM_UNAVAILABLE */
export async function applyInside(names: InstallNames, text: string): Promise<void> {
  await inside(names, ['nft', '-f', '-'], text)
}

/** What the sets hold for one slot. */
export interface SlotRules extends SlotElements {
  /** Whether all of its sources are there, and none that it must not have. */
  readonly isComplete: boolean
}

/** What nft holds inside the namespace. */
export interface InsideRules {
  readonly listing: Listing
  readonly slots: ReadonlyMap<number, SlotRules>
  /** Devices of elements that no lease can explain: no tap of a slot, or without a mark of ours. */
  readonly strays: readonly string[]
}

/** Reads rules and elements inside the namespace. */
export async function readInside(names: InstallNames): Promise<InsideRules> {
  const entries = parseEntries(await inside(names, ['nft', '-j', 'list', 'ruleset']))
  const taps = readTaps(entries)
  const strays = [...taps].flatMap(([tap, { owner }]) => (slotOfTap(tap) === undefined || !owner.startsWith(`${names.owner}:`) ? [tap] : []))
  return { listing: normalise(entries), slots: readSlots(taps), strays }
}

/** Reads one table on the host side; empty when there is none. */
export async function readHostTable(table: string): Promise<Listing> {
  const entries = parseEntries(await onHost(['nft', '-j', 'list', 'ruleset']))
  return normalise(entries.filter((entry) => isOfTable(entry, table)))
}

/** The listing that follows from loading `text` into an empty namespace. */
export async function expectedListing(text: string): Promise<Listing> {
  return normalise(parseEntries(await onHost(['unshare', '--net', 'sh', '-c', 'nft -f - && nft -j list ruleset'], text)))
}

/** Whether two listings say the same. */
export function isSameListing(one: Listing, other: Listing): boolean {
  return one.length === other.length && one.every((line, at) => line === other[at])
}

function parseEntries(json: string): Entry[] {
  const { nftables } = JSON.parse(json) as { nftables: Entry[] }
  return nftables.filter((entry) => !('metainfo' in entry))
}

function isOfTable(entry: Entry, table: string): boolean {
  return Object.values(entry).some((object) => object.table === table) || entry.table?.name === table
}

function normalise(entries: readonly Entry[]): Listing {
  return entries.map((entry) => {
    const [kind = '', object = {}] = Object.entries(entry)[0] ?? []
    const { handle: _handle, elem, ...rest } = object
    const keepsElements = kind === 'set' && object.name === 'reserved'
    return JSON.stringify({ kind, ...rest, ...(keepsElements ? { elem } : {}) })
  })
}

interface TapRules {
  readonly keys: string[]
  allowInternet: boolean
  readonly owner: string
}

function readTaps(entries: readonly Entry[]): Map<string, TapRules> {
  const found = new Map<string, TapRules>()
  for (const { set } of entries) {
    if (set?.table !== insideTable || !Array.isArray(set.elem) || set.name === 'reserved') continue
    for (const { key, comment } of set.elem.map(readElement)) {
      const tap = found.get(key[0] ?? '') ?? { keys: [], allowInternet: false, owner: comment }
      found.set(key[0] ?? '', tap)
      if (set.name === 'internet') tap.allowInternet = true
      else tap.keys.push(`${set.family} ${key.slice(1).join(' ')}`)
    }
  }
  return found
}

function readSlots(found: ReadonlyMap<string, TapRules>): InsideRules['slots'] {
  return new Map(
    [...found].flatMap(([tap, { keys, allowInternet, owner }]) => {
      const slot = slotOfTap(tap)
      if (slot === undefined) return []
      const { mac, ip } = slotNames(slot)
      const isComplete = keys.sort().join() === [`arp ${mac} ${ip}`, `inet ${mac} ${ip}`].join()
      return [[slot, { slot, allowInternet, owner, isComplete }] as const]
    }),
  )
}

/** An element is a bare value, or a value with its comment. */
function readElement(element: unknown): { readonly key: readonly string[]; readonly comment: string } {
  const { elem } = element as { elem?: { val: unknown; comment?: string } }
  const value = elem ? elem.val : element
  const concat = typeof value === 'string' ? [value] : (value as { concat: unknown[] }).concat
  return { key: concat.map(String), comment: elem?.comment ?? '' }
}
