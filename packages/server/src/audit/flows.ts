/** N5: the kernel tracks no connection of an address that no virtual machine has. */
import { inside } from '../network/commands.ts'
import { hasNamespace } from '../network/namespace.ts'
import { gateway, slotNames } from '../network/slots.ts'
import { type Judgement, notes } from './finding.ts'
import type { Known } from './known.ts'
import type { Place } from './place.ts'

/** Connections by the address that began them. */
export type ObservedFlows = ReadonlyMap<string, number>

/** Reads the tracked connections inside the namespace. */
export async function observeFlows({ names }: Pick<Place, 'names'>): Promise<ObservedFlows> {
  return (await hasNamespace(names)) ? parseFlows(await inside(names, ['conntrack', '-L'])) : new Map()
}

/** Counts the lines of `conntrack -L` by their first source. */
export function parseFlows(text: string): ObservedFlows {
  const flows = new Map<string, number>()
  for (const line of text.split('\n')) {
    const source = /\bsrc=(\S+)/.exec(line)?.[1]
    if (source !== undefined) flows.set(source, (flows.get(source) ?? 0) + 1)
  }
  return flows
}

/** Compares them with the rows. Only guests begin connections there, each from the address of its slot. */
export function compareFlows(known: Known, flows: ObservedFlows): Judgement {
  const { findings, add } = notes('N5')
  const owned = new Set([...known.holders].filter(([, ids]) => [...ids].some((id) => known.vm(id) !== 'none')).map(([slot]) => slotNames(slot).ip))
  for (const [source, count] of flows) {
    if (!source.startsWith('10.') || source === gateway || owned.has(source)) continue
    const remedy = `conntrack -D --orig-src ${source} in the namespace`
    add(`flows of ${source}`, `${count} tracked connections of an address that no virtual machine has.`, remedy, { count })
  }
  return { findings, checked: { flows: [...flows.values()].reduce((sum, count) => sum + count, 0) } }
}
