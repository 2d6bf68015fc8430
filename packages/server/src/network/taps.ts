/** Taps of VMs inside the namespace: found by name, recognised by alias, moved in from the VMM, opened and removed. */
import { open, stat } from 'node:fs/promises'
import { fail } from '../lib/fail.ts'
import { commandFailed, inside, tryInside, tryOnHost } from './commands.ts'
import type { InstallNames } from './names.ts'
import { routingTable } from './namespace.ts'
import { gatewayMac, guestMtu, slotNames } from './slots.ts'

/** Name of the tap as the VMM made it. */
const bornAs = 'tap0'

/** A link inside the namespace. */
export interface FoundLink {
  readonly name: string
  readonly alias: string | undefined
  readonly isUp: boolean
  /** Bytes the kernel received from the VM and sent to it. */
  readonly rxBytes: number
  readonly txBytes: number
}

/** Finds a tap by name. */
export async function findTap(names: InstallNames, tap: string): Promise<FoundLink | undefined> {
  const argv = ['ip', '-j', '-s', 'link', 'show', 'dev', tap] as const
  const result = await tryInside(names, argv)
  if (result.exitCode === 0) return parseLinks(result.stdout)[0]
  return result.stderr.includes('does not exist') ? undefined : commandFailed(argv, result)
}

/** All links inside the namespace. */
export async function listLinks(names: InstallNames): Promise<readonly FoundLink[]> {
  return parseLinks(await inside(names, ['ip', '-j', '-s', 'link', 'show']))
}

/**
 * Moves the VMM's tap into the namespace, down, with its final name and alias. The VMM keeps its descriptor. Idempotent.
 * @throws VM_UNAVAILABLE when the process is gone, has no tap, or lives in the host's own network namespace
 */
export async function moveTap(names: InstallNames, slot: number, alias: string, vmmPid: number): Promise<void> {
  const { tap } = slotNames(slot)
  // An open descriptor keeps naming the same namespace, even when the process ends and its pid is used again.
  await using namespace = await openNetworkNamespace(vmmPid)
  const argv = ['nsenter', `--net=/proc/${process.pid}/fd/${namespace.fd}`, 'ip', '-batch', '-'] as const
  const lines = [`link set dev ${bornAs} down`, `link set dev ${bornAs} alias ${alias} address ${gatewayMac} mtu ${guestMtu}`]
  // The alias comes first: whatever arrives in the namespace has an owner.
  const result = await tryOnHost(argv, `${lines.join('\n')}\nlink set dev ${bornAs} netns ${names.namespace} name ${tap}\n`)
  if (result.exitCode !== 0 && (await findTap(names, tap))?.alias !== alias) commandFailed(argv, result)
}

/** Lets traffic through: link up, fixed neighbour, route. Idempotent. */
export async function openTap(names: InstallNames, slots: readonly number[]): Promise<void> {
  const lines = slots.map(slotNames).flatMap(({ tap, ip, mac }) => [
    `link set dev ${tap} up`,
    // A fixed entry: the namespace never asks a guest for its address, and no guest can answer for another.
    `neighbour replace ${ip} lladdr ${mac} nud permanent dev ${tap}`,
    `route replace ${ip}/32 dev ${tap} table ${routingTable}`,
  ])
  if (lines.length > 0) await inside(names, ['ip', '-batch', '-'], `${lines.join('\n')}\n`)
}

/** Stops all traffic of a tap at once. */
export async function closeTap(names: InstallNames, tap: string): Promise<void> {
  await changeTap(names, ['ip', 'link', 'set', 'dev', tap, 'down'])
}

/** Deletes a tap; route and neighbour go with it. */
export async function removeTap(names: InstallNames, tap: string): Promise<void> {
  await changeTap(names, ['ip', 'link', 'delete', 'dev', tap])
}

/** The tap may go at any moment: it dies with its VMM. */
async function changeTap(names: InstallNames, argv: readonly [string, ...string[]]): Promise<void> {
  const result = await tryInside(names, argv)
  if (result.exitCode !== 0 && !/Cannot find device/.test(result.stderr)) commandFailed(argv, result)
}

/** Reads the addresses of guests that have a route, as one listing. */
export async function listRoutes(names: InstallNames): Promise<ReadonlySet<string>> {
  const argv = ['ip', '-j', '-4', 'route', 'show', 'table', routingTable] as const
  const result = await tryInside(names, argv)
  // A table without routes does not exist.
  if (result.exitCode !== 0) return result.stderr.includes('does not exist') ? new Set() : commandFailed(argv, result)
  return new Set((JSON.parse(result.stdout || '[]') as { dst: string; dev: string }[]).map(({ dst, dev }) => `${dst} ${dev}`))
}

async function openNetworkNamespace(pid: number) {
  const path = `/proc/${pid}/ns/net`
  try {
    const file = await open(path, 'r')
    const [theirs, ours] = [await file.stat(), await stat('/proc/self/ns/net')]
    if (theirs.ino !== ours.ino) return file
    await file.close()
  } catch (error) {
    return fail('VM_UNAVAILABLE', { message: 'The virtual machine ended before its network was set up.', cause: error })
  }
  // There, a link of that name belongs to somebody else.
  return fail('VM_UNAVAILABLE', { message: 'The virtual machine has no network namespace of its own.' })
}

interface LinkJson {
  readonly ifname: string
  readonly ifalias?: string
  readonly flags: readonly string[]
  readonly stats64?: { readonly rx: { readonly bytes: number }; readonly tx: { readonly bytes: number } }
}

function parseLinks(json: string): FoundLink[] {
  return (JSON.parse(json) as LinkJson[]).map(({ ifname, ifalias, flags, stats64 }) => ({
    name: ifname,
    alias: ifalias,
    isUp: flags.includes('UP'),
    rxBytes: stats64?.rx.bytes ?? 0,
    txBytes: stats64?.tx.bytes ?? 0,
  }))
}
