/** N3: the network devices of an installation are those of the rows: one namespace, one pair to the host, one tap per VM. */
import { onHost } from '../network/commands.ts'
import { type InstallNames, parseOwner, renderOwner, uplink } from '../network/names.ts'
import { hasNamespace } from '../network/namespace.ts'
import { slotNames } from '../network/slots.ts'
import { type FoundLink, listLinks, listRoutes } from '../network/taps.ts'
import { type Judgement, notes } from './finding.ts'
import type { AuditRow, Known } from './known.ts'
import type { Place } from './place.ts'

/** Devices of an installation. */
export interface ObservedLinks {
  readonly hasNamespace: boolean
  /** Inside the namespace. */
  readonly links: readonly FoundLink[]
  /** `address device` of each route to a guest. */
  readonly routes: ReadonlySet<string>
  /** Devices on the host's side that bear the mark of the installation. */
  readonly outside: readonly string[]
}

/** Reads the devices. */
export async function observeLinks({ names }: Pick<Place, 'names'>): Promise<ObservedLinks> {
  const outside = (JSON.parse(await onHost(['ip', '-j', '-d', 'link', 'show'])) as { ifname: string; ifalias?: string }[])
    .filter(({ ifname, ifalias }) => ifname === names.veth || ifalias?.startsWith(`${names.owner}:`))
    .map(({ ifname }) => ifname)
  if (!(await hasNamespace(names))) return { hasNamespace: false, links: [], routes: new Set(), outside }
  const [links, routes] = await Promise.all([listLinks(names), listRoutes(names)])
  return { hasNamespace: true, links, routes, outside }
}

/** Devices that the kernel itself puts into every namespace, where their modules are loaded. */
const kernelOwn = /^(lo|tunl0|gre0|gretap0|erspan0|sit0|ip6tnl0|ip6gre0|ip_vti0|ip6_vti0)$/

/** Compares them with the rows. */
export function compareLinks(known: Known, names: InstallNames, observed: ObservedLinks): Judgement {
  const { findings, add } = notes('N3')
  const { links, routes, outside } = observed
  for (const [object, message, remedy] of [...uplinkMistakes(names, observed), ...strangeTaps(known, names, links)]) add(object, message, remedy)
  for (const row of known.running) {
    const [object, message] = missingPart(row, names, observed) ?? []
    if (object !== undefined && message !== undefined) add(object, message, `restart the workspace ${row.id}`, { workspaceId: row.id })
  }
  return { findings, checked: { devices: links.length, routes: routes.size, hostDevices: outside.length } }
}

type Mistake = readonly [object: string, message: string, remedy: string]

/** The pair between host and namespace has both ends or none. */
function uplinkMistakes(names: InstallNames, { links, outside }: ObservedLinks): Mistake[] {
  const hasInner = links.some(({ name }) => name === uplink)
  const wait = 'wait for a pass of the daemon, or alcove host clean'
  return [
    ...outside.flatMap((name): Mistake[] => {
      if (name !== names.veth) return [[`device ${name}`, 'It bears the mark of this installation and is none of its devices.', `ip link delete ${name}`]]
      return hasInner ? [] : [[`device ${name}`, 'It leads nowhere: its other end is gone.', wait]]
    }),
    ...(hasInner && !outside.includes(names.veth) ? [[`device ${uplink}`, 'Its end on the host is gone.', wait] as const] : []),
  ]
}

/** Devices that nobody owns, or whose owner has another. */
function strangeTaps(known: Known, names: InstallNames, links: readonly FoundLink[]): Mistake[] {
  return links.flatMap(({ name, alias }): Mistake[] => {
    if (name === uplink || kernelOwn.test(name)) return []
    const object = `device ${name}`
    const remedy = `ip netns exec ${names.namespace} ip link delete ${name}`
    const id = parseOwner(names, alias)?.workspaceId
    if (id === undefined) return [[object, 'It is in the namespace of this installation and bears no mark of it.', remedy]]
    if (known.vm(id) === 'none') return [[object, `It is there, but ${known.describe(id)}.`, remedy]]
    const slot = known.vm(id) === 'must' ? known.row(id)?.slot : undefined
    return typeof slot !== 'number' || slotNames(slot).tap === name ? [] : [[object, `It belongs to ${id}, whose device is another.`, remedy]]
  })
}

/** What a workspace that must have a VM lacks. */
function missingPart({ id, boot_id: bootId, slot }: AuditRow, names: InstallNames, { hasNamespace: isThere, links, routes }: ObservedLinks) {
  if (slot === null || bootId === null) return undefined // Told by N9.
  if (!isThere) return [`namespace ${names.namespace}`, 'It is gone, and virtual machines run.'] as const
  const { tap, ip } = slotNames(slot)
  const link = links.find(({ name }) => name === tap)
  const alias = renderOwner(names, { workspaceId: id, bootId })
  if (!link) return [`device ${tap}`, `It is missing: ${id} has no network.`] as const
  if (link.alias !== alias) return [`device ${tap}`, `It belongs to ${link.alias} and not to ${alias}.`] as const
  return link.isUp && routes.has(`${ip} ${tap}`) ? undefined : ([`device ${tap}`, 'It is down or has no route.'] as const)
}
