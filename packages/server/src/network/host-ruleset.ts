/**
 * The install's own nft table on the host side, as text for `nft -f -`. Pure.
 *
 * It touches packets of the install's veth pair only, with one exception: where forwarding of the default route's device had to be switched
 * on for us, `guard` keeps that device from forwarding for anybody else. A firewall of the host that drops forwarded packets by itself
 * (such as iptables with policy FORWARD DROP) still has the last word; the operator must allow the veth there.
 */
import { type InstallNames, vethPrefix } from './names.ts'
import { reservedRanges } from './reserved.ts'
import { replaceTable } from './ruleset.ts'

/** What the host's rules depend on. */
export interface HostRules {
  /** Device of the default route. */
  readonly device: string
  /** Address of the namespace's end of the veth pair. */
  readonly insideIp: string
  readonly upstreams: readonly string[]
  /** Whether the device forwards only because of Alcove. */
  readonly isGuarded: boolean
}

/** Comment of the rule that says that forwarding of the device was off before. */
export const guardComment = 'alcove guard'

/** Renders the table; replaces what is there, in one transaction. */
export function renderHostRuleset(names: InstallNames, { device, insideIp, upstreams, isGuarded }: HostRules): string {
  const from = `iifname "${names.veth}"`
  const dns = upstreams.length === 0 ? '' : `    ${from} ip daddr { ${upstreams.join(', ')} } meta l4proto { tcp, udp } th dport 53 accept\n`
  const guard = isGuarded ? `    iifname "${device}" oifname != "${vethPrefix}*" drop comment "${guardComment}"\n` : ''
  return `${replaceTable('ip', names.hostTable)}
table ip ${names.hostTable} {
  comment "${names.owner}"
  set reserved {
    type ipv4_addr
    flags interval
    elements = { ${reservedRanges.join(', ')} }
  }
  chain input {
    type filter hook input priority filter - 10; policy accept;
${dns}    ${from} drop
  }
  chain forward {
    type filter hook forward priority filter - 10; policy accept;
    ${from} oifname != "${device}" drop
${dns}    ${from} ip daddr @reserved drop
    oifname "${names.veth}" ct state established,related accept
    oifname "${names.veth}" drop
${guard}  }
  chain leave {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr ${insideIp} oifname "${device}" masquerade
  }
}
`
}
