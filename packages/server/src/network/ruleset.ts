/**
 * The rules inside the namespace, as text for `nft -f -`. Pure.
 *
 * The rules are constant; what differs from VM to VM are elements of three sets, keyed by tap name. Order matters in one place: the
 * policy (`internet`) is asked before conntrack, so that switching it off also stops established flows.
 *
 * Without these rules nothing is forwarded: only packets that `origin` has marked find a route (see `namespace.ts`).
 */

import { uplink } from './names.ts'
import type { NetworkLease } from './network.ts'
import { reservedRanges } from './reserved.ts'
import { gateway, slotNames } from './slots.ts'

/** Mark of packets whose origin was checked; only they find a route. */
export const routedMark = '0x1'

/** Name of the tables inside the namespace. */
export const insideTable = 'alcove'

/** Elements of one VM in the sets. */
export interface SlotElements {
  readonly slot: number
  readonly allowInternet: boolean
  /** Who owns them, for the comment of the elements. */
  readonly owner: string
}

/** Renders the whole ruleset with the elements of all given VMs; replaces what is there, in one transaction. */
export function renderRuleset(upstreams: readonly string[], kept: readonly SlotElements[] = []): string {
  return `${replaceTable('arp', insideTable)}
table arp ${insideTable} {
  set sources {
    type ifname . ether_addr . ipv4_addr
  }
  chain input {
    type filter hook input priority filter; policy drop;
    arp operation request arp daddr ip ${gateway} iifname . ether saddr . arp saddr ip @sources iifname . arp saddr ether . arp saddr ip @sources accept
    iifname "${uplink}" accept
  }
}
${replaceTable('inet', insideTable)}
table inet ${insideTable} {
  set sources {
    type ifname . ether_addr . ipv4_addr
  }
  set internet {
    type ifname
  }
  set reserved {
    type ipv4_addr
    flags interval
    elements = { ${reservedRanges.join(', ')} }
  }
  chain origin {
    type filter hook prerouting priority raw; policy drop;
    meta nfproto ipv6 drop
    iifname "lo" accept
    iifname "${uplink}" meta mark set ${routedMark} accept
    iifname . ether saddr . ip saddr @sources meta mark set ${routedMark} accept
  }
  chain names {
    type nat hook prerouting priority dstnat; policy accept;
${renderNameServers(upstreams)}  }
  chain input {
    type filter hook input priority filter; policy drop;
    iifname "lo" accept
    iifname "${uplink}" drop
    ip daddr ${gateway} icmp type echo-request accept
    ip daddr ${gateway} reject with icmpx admin-prohibited
  }
  chain forward {
    type filter hook forward priority filter; policy drop;
    iifname "${uplink}" goto inbound
    oifname "${uplink}" goto outbound
    reject with icmpx admin-prohibited
  }
  chain outbound {
    iifname != @internet reject with icmpx admin-prohibited
    meta l4proto { tcp, udp } ct status dnat th dport 53 accept
    ip daddr @reserved reject with icmpx admin-prohibited
    tcp flags syn tcp option maxseg size set rt mtu
    accept
  }
  chain inbound {
    oifname @internet ct state established,related ct direction reply accept
    drop
  }
  chain leave {
    type nat hook postrouting priority srcnat; policy accept;
    oifname "${uplink}" masquerade
  }
}
${kept.map(renderElements).join('')}`
}

/** Renders the opening of a slot: whatever it held is removed first, in the same transaction. */
export function renderOpen(lease: Pick<NetworkLease, 'slot' | 'allowInternet'>, owner: string): string {
  return renderClose(lease.slot) + renderElements({ slot: lease.slot, allowInternet: lease.allowInternet, owner })
}

/** Renders the removal of everything a slot may hold. */
export function renderClose(slot: number): string {
  // Deleting what is not there would fail the transaction; adding first makes it certain.
  return elementsOf(slot)
    .flatMap(({ set, key }) => [`add element ${set} { ${key} }`, `delete element ${set} { ${key} }`])
    .map((line) => `${line}\n`)
    .join('')
}

/** Makes a table empty whether it exists or not, as the first part of its replacement. */
export function replaceTable(family: string, name: string): string {
  return `add table ${family} ${name}\ndelete table ${family} ${name}`
}

function renderNameServers(upstreams: readonly string[]): string {
  if (upstreams.length === 0) return ''
  const choice = upstreams.length === 1 ? upstreams[0] : `numgen inc mod ${upstreams.length} map { ${upstreams.map((ip, at) => `${at} : ${ip}`).join(', ')} }`
  return `    iifname @internet ip daddr ${gateway} meta l4proto { tcp, udp } th dport 53 dnat ip to ${choice}\n`
}

function renderElements({ slot, allowInternet, owner }: SlotElements): string {
  return elementsOf(slot)
    .filter(({ set }) => allowInternet || set !== internetSet)
    .map(({ set, key }) => `add element ${set} { ${key} comment "${owner}" }\n`)
    .join('')
}

const internetSet = `inet ${insideTable} internet`

function elementsOf(slot: number): { readonly set: string; readonly key: string }[] {
  const { tap, ip, mac } = slotNames(slot)
  const source = `"${tap}" . ${mac} . ${ip}`
  return [
    { set: `arp ${insideTable} sources`, key: source },
    { set: `inet ${insideTable} sources`, key: source },
    { set: internetSet, key: `"${tap}"` },
  ]
}
