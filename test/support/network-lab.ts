/**
 * A host and an internet in two network namespaces, for tests. Nothing in it can send a packet to the real network: the two are joined
 * with each other only. The internet has decoys on public and on private addresses, all of which the host itself can reach.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { type RunResult, run, runAny } from '../../packages/server/src/lib/subprocess.ts'

/** Addresses in the lab. */
export const labAddresses = {
  /** The host's own address, and its gateway. */
  host: '192.0.2.2',
  gateway: '192.0.2.1',
  /** Web servers, DNS servers and what else is public. */
  public: '93.184.216.34',
  resolvers: ['9.9.9.9', '10.255.255.53'],
  /** What no guest may reach: metadata service, private and shared ranges, documentation. */
  forbidden: ['169.254.169.254', '10.20.30.40', '172.16.5.5', '192.168.1.1', '100.64.1.1', '198.18.0.9', '192.0.2.1'],
} as const

/** One contact with a decoy. */
export interface Contact {
  readonly proto: 'tcp' | 'udp'
  readonly from: string
  readonly to: string
  readonly port: number
  /** Start of the datagram; UDP only. */
  readonly text?: string
}

/** A running lab. */
export interface Lab {
  readonly hostNs: string
  readonly internetNs: string
  /** Everything that reached a decoy, in order. TCP 22, 53, 80 and UDP 9, 53 are served on each address of the internet. */
  readonly contacts: readonly Contact[]
  /** Decoys of the same kind as those of the internet, run on the host itself; their contacts. */
  readonly hostContacts: readonly Contact[]
  /** Prefix of a command that runs in a namespace; shares the mounts, so that named namespaces made there stay visible. */
  enter(namespace: string): readonly [string, ...string[]]
  /** Runs a command in a namespace. */
  exec(namespace: string, argv: readonly string[], options?: { input?: string; timeoutMs?: number }): Promise<RunResult>
  destroy(): Promise<void>
}

/** Creates a lab. `destroy` it after the test. */
export async function createLab(): Promise<Lab> {
  const id = randomBytes(3).toString('hex')
  const [hostNs, internetNs] = [`altest-${id}-host`, `altest-${id}-net`]
  const enter = (namespace: string) => ['nsenter', `--net=/run/netns/${namespace}`] as const
  const decoys: ChildProcessWithoutNullStreams[] = []
  const contacts: Contact[] = []
  const hostContacts: Contact[] = []
  const destroy = async () => {
    await Promise.all(decoys.map(endProcess))
    for (const namespace of [hostNs, internetNs]) await runAny(['ip', 'netns', 'delete', namespace])
  }
  try {
    for (const namespace of [hostNs, internetNs]) await run(['ip', 'netns', 'add', namespace])
    await run([...enter(internetNs), 'ip', '-batch', '-'], { input: internetCommands(hostNs) })
    await run([...enter(hostNs), 'ip', '-batch', '-'], { input: hostCommands })
    for (const [namespace, into] of [[internetNs, contacts] as const, [hostNs, hostContacts] as const]) {
      const decoy = spawn(enter(namespace)[0], [...enter(namespace).slice(1), 'python3', toolPath('network-decoy.py')])
      decoys.push(decoy)
      await readLines(decoy, 'ready', (line) => into.push(JSON.parse(line)))
    }
  } catch (error) {
    await destroy()
    throw error
  }
  return { hostNs, internetNs, contacts, hostContacts, enter, destroy, exec: (namespace, argv, options) => runAny([...enter(namespace), ...argv], options) }
}

/** Path of a tool beside this file. */
export function toolPath(name: string): string {
  return new URL(name, import.meta.url).pathname
}

/** Reads a child's lines; resolves at the line `first`, passes all later ones on. */
export async function readLines(child: ChildProcessWithoutNullStreams, first: string, onLine: (line: string) => void): Promise<void> {
  let stderr = ''
  child.stderr.on('data', (chunk) => {
    stderr += chunk
  })
  child.stdin.on('error', () => {})
  const lines = createInterface({ input: child.stdout })
  await new Promise<void>((resolve, reject) => {
    lines.once('line', (line) => {
      if (line !== first) return reject(new Error(line))
      lines.on('line', onLine)
      resolve()
    })
    child.once('close', () => reject(new Error(`ended early: ${stderr}`)))
  })
}

/** Ends a child of the test and waits for it. */
export async function endProcess(child: ChildProcessWithoutNullStreams): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const closed = once(child, 'close')
  child.kill('SIGKILL')
  await closed
}

function internetCommands(hostNs: string): string {
  const { gateway, public: site, resolvers, forbidden } = labAddresses
  const served = [site, ...resolvers, ...forbidden].filter((ip) => ip !== gateway)
  return `link set lo up
link add name lan type veth peer name eth0 netns ${hostNs}
address add ${gateway}/24 dev lan
link set lan up
${served.map((ip) => `address add ${ip}/32 dev lo`).join('\n')}
`
}

const hostCommands = `link set lo up
address add ${labAddresses.host}/24 dev eth0
link set eth0 up
route add default via ${labAddresses.gateway}
`
