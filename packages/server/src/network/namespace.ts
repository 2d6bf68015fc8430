/**
 * The network namespace of an install: settings and routing.
 *
 * Routing fails closed. Addresses of guests and the way out are in a table that only two kinds of packet may look up: those that the rules
 * have marked after checking their origin, and those that the namespace itself sends. All else meets a blackhole. So if somebody flushes the
 * rules, nothing is forwarded until they are back; no process listens in the namespace, so what guests reach meanwhile is an ARP answer
 * and an echo reply of the gateway.
 *
 * The name of the namespace is a mount: a daemon in a private mount namespace would be the only one to see it, and take it along when it
 * ends. `hasPrivateMounts` tells.
 */
import { existsSync } from 'node:fs'
import { readFile, rm, statfs } from 'node:fs/promises'
import type { Step } from '../lib/step.ts'
import { inside, onHost } from './commands.ts'
import type { InstallNames } from './names.ts'
import { routedMark } from './ruleset.ts'
import { gateway } from './slots.ts'

/** Routing table of guests and uplink. */
export const routingTable = '100'

/** Type of the file system of namespaces. @see linux/magic.h NSFS_MAGIC */
const nsfsMagic = 0x6e736673

const settings = [
  'ipv6/conf/all/disable_ipv6=1',
  'ipv6/conf/default/disable_ipv6=1',
  'ipv6/conf/default/accept_ra=0',
  'ipv4/conf/all/rp_filter=1',
  'ipv4/conf/default/rp_filter=1',
  // The check of the reverse path looks up the routing table that the mark opens.
  'ipv4/conf/all/src_valid_mark=1',
  'ipv4/conf/all/accept_source_route=0',
  'ipv4/conf/default/accept_source_route=0',
  'ipv4/conf/all/send_redirects=0',
  'ipv4/conf/default/send_redirects=0',
  'ipv4/conf/all/accept_redirects=0',
  'ipv4/conf/default/accept_redirects=0',
] as const

/** Whether the namespace exists. A file without a namespace, left by an earlier boot of the host, does not count. */
export async function hasNamespace(names: InstallNames): Promise<boolean> {
  try {
    return (await statfs(names.namespacePath)).type === nsfsMagic
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

/** Makes the namespace with its settings, if it is not there. Taps inherit the settings when they are moved in. */
export async function ensureNamespace(names: InstallNames, step: Step): Promise<void> {
  await step('network.namespace.create', async () => {
    if (await hasNamespace(names)) return
    await rm(names.namespacePath, { force: true })
    await onHost(['ip', 'netns', 'add', names.namespace])
  })
  await step('network.namespace.settings', () => writeSettings(names, settings.filter(isKnownSetting)))
}

/** Sets addresses and routing; does not yet forward. */
export async function ensureRouting(names: InstallNames, step: Step): Promise<void> {
  await step('network.namespace.route', async () => {
    const lines = ['link set dev lo up', `address replace ${gateway}/32 dev lo`, ...(await missingPolicies(names))]
    await inside(names, ['ip', '-batch', '-'], `${lines.join('\n')}\n`)
  })
}

/** Whether the routing policies are in place. */
export async function hasRouting(names: InstallNames): Promise<boolean> {
  return (await missingPolicies(names)).length === 0
}

/** Lets the namespace forward. To be called when rules and routing are in place. */
export async function ensureForwarding(names: InstallNames, step: Step): Promise<void> {
  await step('network.namespace.forward', () => writeSettings(names, ['ipv4/ip_forward=1']))
}

/** Removes the namespace with everything in it. Idempotent. */
export async function removeNamespace(names: InstallNames, step: Step): Promise<void> {
  await step('network.namespace.remove', async () => {
    if (await hasNamespace(names)) await onHost(['ip', 'netns', 'delete', names.namespace])
    else await rm(names.namespacePath, { force: true })
  })
}

/** Whether mounts made by this process stay unseen by the rest of the host, so that the namespace would not outlive it. */
export async function hasPrivateMounts(): Promise<boolean> {
  const mounts = (await readFile('/proc/self/mountinfo', 'utf8')).split('\n').map((line) => line.split(' '))
  return mounts.some((fields) => fields[4] === '/run/netns' && fields.some((field) => field.startsWith('master:')))
}

/** The script is constant; names and values are arguments, so nothing is interpreted. */
async function writeSettings(names: InstallNames, values: readonly string[]): Promise<void> {
  const script = 'while [ $# -gt 0 ]; do echo "$2" > "/proc/sys/net/$1" || exit 1; shift 2; done'
  await inside(names, ['sh', '-c', script, 'sh', ...values.flatMap((value) => value.split('='))])
}

/** A kernel without IPv6 lacks its settings, and needs none. */
function isKnownSetting(setting: string): boolean {
  return !setting.startsWith('ipv6/') || existsSync('/proc/sys/net/ipv6')
}

interface Policy {
  readonly priority: number
  readonly fwmark?: string
  readonly iif?: string
  readonly table?: string
  readonly action?: string
}

/** Adding a policy that exists fails, so only missing ones are added. */
async function missingPolicies(names: InstallNames): Promise<string[]> {
  const present = JSON.parse(await inside(names, ['ip', '-j', '-4', 'rule', 'show'])) as Policy[]
  const has = (wanted: Policy) => present.some((policy) => Object.entries(wanted).every(([key, value]) => policy[key as keyof Policy] === value))
  const lines: string[] = []
  if (!has({ priority: 100, fwmark: routedMark, table: routingTable })) lines.push(`rule add pref 100 fwmark ${routedMark} lookup ${routingTable}`)
  if (!has({ priority: 101, iif: 'lo', table: routingTable })) lines.push(`rule add pref 101 iif lo lookup ${routingTable}`)
  if (!has({ priority: 102, action: 'blackhole' })) lines.push('rule add pref 102 blackhole')
  return lines
}
