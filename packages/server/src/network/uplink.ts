/**
 * The way out of the namespace: a veth pair to the host, the install's own nft table there, and forwarding for the two devices concerned.
 *
 * Done only where the host has a default route; without one, workspaces run without internet. Forwarding is switched on per device, never
 * for the whole host. If the default route's device did not forward before, a guard rule keeps it from forwarding for others, and that
 * rule is also the record by which `removeUplink` knows to switch it off again.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { fail } from '../lib/fail.ts'
import type { Logger } from '../lib/log.ts'
import type { Step } from '../lib/step.ts'
import { inside, onHost } from './commands.ts'
import { guardComment, type HostRules, renderHostRuleset } from './host-ruleset.ts'
import { type InstallNames, uplink } from './names.ts'
import { routingTable } from './namespace.ts'
import { guestMtu } from './slots.ts'
import { chooseTransfer, type Transfer, transferOf } from './transfer.ts'

/** The host's side as it is to be. */
export interface UplinkPlan {
  readonly rules: HostRules
  readonly transfer: Transfer
  readonly mtu: number
  readonly hasVeth: boolean
}

/** Reads the host and decides what the uplink shall be; `undefined` where the host has no default route. */
export async function planUplink(names: InstallNames, upstreams: readonly string[]): Promise<UplinkPlan | undefined> {
  const [routes, links] = await Promise.all([readRoutes(), readLinks()])
  const device = routes.filter(({ dst, type }) => dst === 'default' && type !== 'unreachable').sort(byMetric)[0]?.dev
  if (device === undefined) return undefined
  const veth = links.find(({ ifname }) => ifname === names.veth)
  if (veth && veth.ifalias !== vethAlias(names)) return fail('VM_UNAVAILABLE', { message: `A foreign device is named ${names.veth}; rename it.` })
  const transfer = currentTransfer(veth) ?? freeTransfer(names, routes, links)
  const mtu = Math.min(guestMtu, links.find(({ ifname }) => ifname === device)?.mtu ?? guestMtu)
  return { rules: { device, insideIp: transfer.insideIp, upstreams, isGuarded: await needsGuard(device) }, transfer, mtu, hasVeth: veth !== undefined }
}

/** Makes or repairs the uplink. Rules come before forwarding. Idempotent. */
export async function ensureUplink(names: InstallNames, plan: UplinkPlan, step: Step, log: Logger): Promise<void> {
  await step('network.uplink.rules', async () => {
    await onHost(['nft', '-f', '-'], renderHostRuleset(names, plan.rules))
  })
  await step('network.uplink.create', () => ensureVeth(names))
  await step('network.uplink.address', () => setAddresses(names, plan))
  await step('network.uplink.forward', async () => {
    await writeHostSetting(`ipv4/conf/${names.veth}/forwarding`, '1')
    await writeHostSetting(`ipv4/conf/${plan.rules.device}/forwarding`, '1')
  })
  log.debug({ device: plan.rules.device, transfer: plan.transfer }, 'the network of workspaces has its uplink')
}

/** Removes the host's side. Idempotent; forwarding goes back to what it was when no other install needs it. */
export async function removeUplink(names: InstallNames, step: Step): Promise<void> {
  await step('network.uplink.remove', async () => {
    const [tables, links] = [await readGuards(), await readLinks()]
    const own = tables.find(({ table }) => table === names.hostTable)
    const isLast = !tables.some(({ table, device }) => table !== names.hostTable && device === own?.device)
    if (own?.device !== undefined && isLast && links.some(({ ifname }) => ifname === own.device)) {
      await writeHostSetting(`ipv4/conf/${own.device}/forwarding`, '0')
    }
    if (links.some(({ ifname, ifalias }) => ifname === names.veth && ifalias === vethAlias(names))) await onHost(['ip', 'link', 'delete', 'dev', names.veth])
    await onHost(['nft', '-f', '-'], `add table ip ${names.hostTable}\ndelete table ip ${names.hostTable}\n`)
  })
}

async function ensureVeth(names: InstallNames): Promise<void> {
  const [outer, inner] = await Promise.all([readLinks(), readLinks(names)])
  const hasOuter = outer.some(({ ifname, ifalias }) => ifname === names.veth && ifalias === vethAlias(names))
  const hasInner = inner.some(({ ifname }) => ifname === uplink)
  if (hasOuter && hasInner) return
  // Half a pair leads into a namespace that was lost, or was left by a daemon that died right here.
  if (hasOuter) await onHost(['ip', 'link', 'delete', 'dev', names.veth])
  if (hasInner) await inside(names, ['ip', 'link', 'delete', 'dev', uplink])
  // Born inside and moved out with its alias, so that the host never sees it without an owner. The pid stands for the host's side.
  const lines = [`link add name ${uplink} type veth peer name ${names.veth}`, `link set dev ${names.veth} alias ${vethAlias(names)}`]
  await inside(names, ['ip', '-batch', '-'], `${lines.join('\n')}\nlink set dev ${names.veth} netns ${process.pid}\n`)
}

async function setAddresses(names: InstallNames, { transfer, mtu }: UplinkPlan): Promise<void> {
  const end = (device: string, ip: string) => [`link set dev ${device} mtu ${mtu}`, `address replace ${ip}/30 dev ${device}`, `link set dev ${device} up`]
  await writeHostSetting(`ipv6/conf/${names.veth}/disable_ipv6`, '1')
  await onHost(['ip', '-batch', '-'], `${end(names.veth, transfer.hostIp).join('\n')}\n`)
  const route = `route replace default via ${transfer.hostIp} dev ${uplink} onlink table ${routingTable}`
  await inside(names, ['ip', '-batch', '-'], `${[...end(uplink, transfer.insideIp), route].join('\n')}\n`)
}

function currentTransfer(veth: Link | undefined): Transfer | undefined {
  return veth?.addr_info?.flatMap(({ local }) => (local && transferOf(local)) || [])[0]
}

function freeTransfer(names: InstallNames, routes: readonly Route[], links: readonly Link[]): Transfer {
  const used = [
    ...routes.map(({ dst }) => dst),
    ...links.flatMap(({ addr_info: addresses = [] }) => addresses.map(({ local = '', prefixlen }) => `${local}/${prefixlen}`)),
  ]
  return chooseTransfer(names.hash, used) ?? fail('VM_UNAVAILABLE', { message: 'No /30 of 169.254.0.0/16 is free on this host for the uplink of workspaces.' })
}

/** Whether the device forwards, or is to forward, because of Alcove only. */
async function needsGuard(device: string): Promise<boolean> {
  if ((await readHostSetting(`ipv4/conf/${device}/forwarding`)) === '0') return true
  return (await readGuards()).some((guard) => guard.device === device)
}

/** Tables of all installs on this host, and the device each of them guards. */
async function readGuards(): Promise<{ readonly table: string; readonly device: string | undefined }[]> {
  const { nftables } = JSON.parse(await onHost(['nft', '-j', 'list', 'ruleset', 'ip'])) as { nftables: { table?: { name: string }; rule?: GuardRule }[] }
  const rules = nftables.flatMap(({ rule }) => (rule?.comment === guardComment ? [rule] : []))
  return nftables.flatMap(({ table }) => {
    if (!table?.name.startsWith('alcove_')) return []
    const match = rules.find((rule) => rule.table === table.name)?.expr[0]?.match
    return [{ table: table.name, device: typeof match?.right === 'string' ? match.right : undefined }]
  })
}

interface GuardRule {
  readonly table: string
  readonly comment?: string
  readonly expr: readonly { readonly match?: { readonly right: unknown } }[]
}

interface Route {
  readonly dst: string
  readonly dev?: string
  readonly type?: string
  readonly metric?: number
}

interface Link {
  readonly ifname: string
  readonly ifalias?: string
  readonly mtu: number
  readonly addr_info?: readonly { readonly local?: string; readonly prefixlen: number }[]
}

function byMetric(one: Route, other: Route): number {
  return (one.metric ?? 0) - (other.metric ?? 0)
}

async function readRoutes(): Promise<Route[]> {
  return JSON.parse(await onHost(['ip', '-j', '-4', 'route', 'show', 'table', 'all']))
}

/** The alias is among the details. */
async function readLinks(names?: InstallNames): Promise<Link[]> {
  const argv = ['ip', '-j', '-d', 'address', 'show'] as const
  return JSON.parse(names ? await inside(names, argv) : await onHost(argv))
}

/** Settings under /proc/sys/net are those of the network namespace of the process that opens them. */
async function writeHostSetting(key: string, value: string): Promise<void> {
  try {
    await writeFile(`/proc/sys/net/${key}`, value)
  } catch (error) {
    // A kernel without IPv6 has nothing to switch off.
    if (key.startsWith('ipv6/') && (error as NodeJS.ErrnoException).code === 'ENOENT') return
    fail('VM_UNAVAILABLE', { message: `The kernel setting net/${key} could not be changed.`, cause: error })
  }
}

async function readHostSetting(key: string): Promise<string> {
  return (await readFile(`/proc/sys/net/${key}`, 'utf8')).trim()
}

function vethAlias(names: InstallNames): string {
  return `${names.owner}:uplink`
}
