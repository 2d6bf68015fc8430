/** Guests of a network under test: a tap in the hands of the test, and the network itself running in a lab's host. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { run, runAny } from '../../packages/server/src/lib/subprocess.ts'
import type { Network } from '../../packages/server/src/network/network.ts'
import { gateway, slotNames } from '../../packages/server/src/network/slots.ts'
import { endProcess, type Lab, readLines, toolPath } from './network-lab.ts'

/** A network whose calls run in a process inside the lab's host. */
export interface RemoteNetwork {
  readonly installId: string
  readonly namespace: string
  call<M extends keyof Network>(method: M, ...args: Parameters<Network[M]>): Promise<Awaited<ReturnType<Network[M]>>>
  /** Names of the steps since the last time. */
  steps(): Promise<string[]>
  /** Duration of the last call, ms. */
  lastMs(): number
  /** What it has logged. */
  log(): string
  /** Writes the resolv.conf that it reads. */
  setResolvers(ips: readonly string[]): Promise<void>
  /** Ends the process as `kill -9` would; the kernel keeps what was made. */
  kill(): Promise<void>
}

/** Starts the network of an install in the lab's host. With `twice`, each step is run two times. */
export async function startNetwork(lab: Lab, installId: string, resolvers: readonly string[], twice = false): Promise<RemoteNetwork> {
  const resolvConf = `/tmp/alcove-test-${installId}.conf`
  const setResolvers = (ips: readonly string[]) => writeFile(resolvConf, ips.map((ip) => `nameserver ${ip}\n`).join(''))
  await setResolvers(resolvers)
  const [program, ...prefix] = lab.enter(lab.hostNs)
  const child = spawn(program, [...prefix, process.execPath, toolPath('network-host.ts'), installId, resolvConf, ...(twice ? ['twice'] : [])])
  const waiting: ((line: string) => void)[] = []
  let lastMs = 0
  let log = ''
  child.stderr.on('data', (chunk) => {
    log += chunk
  })
  await readLines(child, 'ready', (line) => waiting.shift()?.(line))
  const ask = async (method: string, args: unknown[]) => {
    const line = await new Promise<string>((resolve) => {
      waiting.push(resolve)
      child.stdin.write(`${JSON.stringify({ method, args })}\n`)
    })
    const answer = JSON.parse(line) as { value?: unknown; error?: string; message?: string; ms: number }
    lastMs = answer.ms
    if (answer.error !== undefined) throw Object.assign(new Error(answer.message), { code: answer.error })
    return answer.value
  }
  return {
    installId,
    namespace: `alcove-${installId}`,
    call: (method, ...args) => ask(method, args) as never,
    steps: () => ask('steps', []) as Promise<string[]>,
    lastMs: () => lastMs,
    log: () => log,
    setResolvers,
    async kill() {
      await endProcess(child)
      await rm(resolvConf, { force: true })
    },
  }
}

/** A guest: hostile frames and, if wanted, a whole Linux network stack behind the same NIC. */
export interface Guest {
  readonly pid: number
  readonly slot: number
  readonly ip: string
  readonly mac: string
  readonly tap: string
  /** Frames that arrived at the NIC. */
  readonly frames: readonly Buffer[]
  /** Sends a frame as it is. */
  send(frame: Buffer): void
  /** Tries to reach something; `reached` or `failed`. */
  probe(kind: 'tcp' | 'udp' | 'dns' | 'dnstcp', host: string, what: string | number): Promise<'reached' | 'failed'>
  /** Keeps one TCP connection busy; `answers` grows while it works. */
  stream(host: string, port: number): { readonly answers: () => number; end(): Promise<void> }
  exec(argv: readonly [string, ...string[]]): Promise<string>
  end(): Promise<void>
}

/** Starts a guest for a slot. `tap0` is in the network namespace of process `pid`. */
export async function startGuest(slot: number): Promise<Guest> {
  const { ip, mac, tap } = slotNames(slot)
  const namespace = `altest-${randomBytes(3).toString('hex')}-vm`
  const enter = ['nsenter', `--net=/run/netns/${namespace}`] as const
  const frames: Buffer[] = []
  let child: ChildProcessWithoutNullStreams | undefined
  const end = async () => {
    if (child) await endProcess(child)
    await runAny(['ip', 'netns', 'delete', namespace])
  }
  try {
    await run(['ip', 'netns', 'add', namespace])
    child = spawn('python3', [toolPath('network-nic.py'), namespace])
    await readLines(child, 'ready', (line) => frames.push(Buffer.from(line.slice(2), 'hex')))
    const setup = ['link set lo up', `link set eth0 address ${mac}`, `address add ${ip}/32 dev eth0`, 'link set eth0 up']
    // The test's own IPv6 chatter would only blur what it sees.
    await run([...enter, 'sh', '-c', 'echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6'])
    const route = [`route add ${gateway} dev eth0`, `route add default via ${gateway} dev eth0 onlink`]
    await run([...enter, 'ip', '-batch', '-'], { input: `${[...setup, ...route].join('\n')}\n` })
  } catch (error) {
    await end()
    throw error
  }
  const nic = child
  return {
    pid: nic.pid ?? 0,
    slot,
    ip,
    mac,
    tap,
    frames,
    end,
    send: (frame) => void nic.stdin.write(`${frame.toString('hex')}\n`),
    exec: (argv) => run([...enter, ...argv]),
    async probe(kind, host, what) {
      const answer = await run([...enter, 'python3', toolPath('network-probe.py'), kind, host, String(what)])
      return answer.startsWith('reached') ? 'reached' : 'failed'
    },
    stream(host, port) {
      let answers = 0
      const client = spawn(enter[0], [enter[1], 'python3', toolPath('network-probe.py'), 'stream', host, String(port)])
      createInterface({ input: client.stdout }).on('line', (line) => {
        answers = Number(line)
      })
      return { answers: () => answers, end: () => endProcess(client) }
    },
  }
}

/** Waits until `condition` holds; fails after `timeoutMs`. */
export async function eventually(what: string, condition: () => boolean | Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const end = performance.now() + timeoutMs
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`did not happen in ${timeoutMs} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
