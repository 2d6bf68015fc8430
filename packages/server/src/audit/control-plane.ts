/** N13: the daemon listens where it is told and nowhere else, has no zombie, and holds no more threads and descriptors than its work takes. */
import { readdir, readFile, readlink, stat } from 'node:fs/promises'
import { isIP } from 'node:net'
import { join } from 'node:path'
import type { Clock } from '../lib/clock.ts'
import { findFile } from '../lib/files.ts'
import { listPids, readCommandLine } from '../vmm/qemu/proc.ts'
import { type Judgement, notes } from './finding.ts'
import type { Place } from './place.ts'

/** A daemon of this data directory. */
export interface ObservedDaemon {
  readonly pid: number
  readonly threads: number
  readonly zombies: readonly number[]
  /** `address:port` of TCP, or the path of a Unix socket. */
  readonly listeners: readonly string[]
  /** Descriptors that are neither sockets nor in `/proc`, of which a look at all processes opens hundreds for a moment. */
  readonly files: number
  readonly sockets: number
  /** Files of the data directory that are removed and still open. */
  readonly deleted: readonly string[]
}

/** Daemons, and where they were told to listen; port 0 stands for any. */
export interface ObservedControlPlane {
  readonly daemons: readonly ObservedDaemon[]
  readonly told: readonly string[]
  /** Addresses that the daemon itself has written down. */
  readonly known: readonly string[]
}

/** Time a child that has ended has to be reaped by a busy daemon, ms. */
const reapMs = 3_000
const reapPauseMs = 250

/** Reads what the kernel knows of the daemon: the holder of the lock of the data directory. */
export async function observeControlPlane({ realDataDir, listen, credentials }: Place, clock: Clock): Promise<ObservedControlPlane> {
  const pids = await findDaemons(realDataDir)
  const daemons = (await Promise.all(pids.map((pid) => observeDaemon(pid, realDataDir, clock)))).flatMap((daemon) => daemon ?? [])
  // What it was started with counts before what the configuration says now.
  const started = (await Promise.all(pids.map(startedWith))).flat()
  const told = started.length > 0 ? started : listen.map(({ host, port }) => `${isIP(host) === 6 ? `[${host}]` : host}:${port}`)
  return { daemons, told, known: credentials.map(({ url }) => new URL(url).host) }
}

/** Pids of the daemons that serve a data directory, given without links: those that hold its lock. */
export async function findDaemons(realDataDir: string): Promise<number[]> {
  const lock = join(realDataDir, 'lock.db')
  const pids: number[] = []
  for (const pid of await lockHolders(lock)) {
    if ((await readCommandLine(pid)).includes('serve') && (await openFiles(pid)).includes(lock)) pids.push(pid)
  }
  return pids
}

/** Processes that may hold a lock of SQLite on a file: files of two file systems can have the same number. @see proc(5), /proc/locks */
async function lockHolders(path: string): Promise<Set<number>> {
  const inode = await stat(path).then(
    ({ ino }) => String(ino),
    () => '',
  )
  const lines = (await readFile('/proc/locks', 'utf8')).split('\n').map((line) => /POSIX\s+\S+\s+WRITE\s+(\d+)\s+[0-9a-f]+:[0-9a-f]+:(\d+)/.exec(line))
  return new Set(lines.flatMap((match) => (match && match[2] === inode ? [Number(match[1])] : [])))
}

/** What the descriptors of a process lead to. */
async function openFiles(pid: number): Promise<string[]> {
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => [])
  return (await Promise.all(descriptors.map((fd) => readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')))).filter(Boolean)
}

/** Addresses in the arguments of a daemon, else in its environment. */
async function startedWith(pid: number): Promise<string[]> {
  const argv = await readCommandLine(pid)
  const at = argv.findIndex((word) => /^--listen(=|$)/.test(word))
  if (at !== -1) return (argv[at]?.split('=')[1] ?? argv[at + 1] ?? '').split(',')
  const environment = (await findFile(`/proc/${pid}/environ`).catch(() => undefined)) ?? ''
  return /(?:^|\0)ALCOVE_LISTEN=([^\0]+)/.exec(environment)?.[1]?.split(',') ?? []
}

/** Reads what the kernel knows of one process; `undefined` when it is gone. */
export async function observeDaemon(pid: number, dataDir: string, clock: Clock): Promise<ObservedDaemon | undefined> {
  const status = await findFile(`/proc/${pid}/status`).catch(() => undefined)
  if (status === undefined) return undefined
  const targets = await openFiles(pid)
  const sockets = new Set(targets.flatMap((target) => /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? []))
  const listeners = [...(await tcpListeners(pid)), ...(await unixListeners(pid))].flatMap(({ inode, name }) => (sockets.has(inode) ? [name] : []))
  return {
    pid,
    threads: Number(/^Threads:\s+(\d+)/m.exec(status)?.[1]),
    zombies: await lastingZombies(pid, clock),
    listeners,
    files: targets.filter((target) => !target.startsWith('socket:') && !target.startsWith('/proc/')).length,
    sockets: sockets.size,
    deleted: targets.filter((target) => target.startsWith(`${dataDir}/`) && target.endsWith(' (deleted)')),
  }
}

/** Children that have ended and are still not reaped after some time. */
async function lastingZombies(pid: number, clock: Clock): Promise<number[]> {
  let lasting = await zombiesOf(pid)
  for (let waitedMs = 0; lasting.length > 0 && waitedMs < reapMs; waitedMs += reapPauseMs) {
    await clock.sleep(reapPauseMs)
    const now = await zombiesOf(pid)
    lasting = lasting.filter((zombie) => now.includes(zombie))
  }
  return lasting
}

async function zombiesOf(parent: number): Promise<number[]> {
  const found = await Promise.all(
    (await listPids()).map(async (pid) => {
      const text = (await findFile(`/proc/${pid}/stat`).catch(() => undefined)) ?? ''
      const [state, ppid] = text.slice(text.lastIndexOf(')') + 2).split(' ')
      return state === 'Z' && Number(ppid) === parent ? [pid] : []
    }),
  )
  return found.flat()
}

interface Listening {
  readonly inode: string
  readonly name: string
}

/** TCP sockets in the state LISTEN of the daemon's network. */
async function tcpListeners(pid: number): Promise<Listening[]> {
  const tables = await Promise.all(['tcp', 'tcp6'].map((table) => findFile(`/proc/${pid}/net/${table}`).catch(() => undefined)))
  return tables.flatMap((text = '') =>
    text.split('\n').flatMap((line) => {
      const fields = line.trim().split(/\s+/)
      return fields[3] === '0A' && fields[1] && fields[9] ? [{ inode: fields[9], name: renderAddress(fields[1]) }] : []
    }),
  )
}

/** Unix sockets that accept connections: flag 00010000. */
async function unixListeners(pid: number): Promise<Listening[]> {
  const text = (await findFile(`/proc/${pid}/net/unix`).catch(() => undefined)) ?? ''
  return text.split('\n').flatMap((line) => {
    const fields = line.trim().split(/\s+/)
    return fields[3] === '00010000' && fields[6] ? [{ inode: fields[6], name: fields[7] ?? 'unnamed' }] : []
  })
}

/** `0100007F:1F90` as `127.0.0.1:8080`: words of 32 bits, each in the byte order of the host. */
export function renderAddress(text: string): string {
  const [address = '', port = ''] = text.split(':')
  const bytes = [...address.matchAll(/.{8}/g)].flatMap(([word]) => [...word.matchAll(/../g)].map(([byte]) => Number.parseInt(byte, 16)).reverse())
  const host = bytes.length === 4 ? bytes.join('.') : `[${groups(bytes)}]`
  return `${host}:${Number.parseInt(port, 16)}`
}

function groups(bytes: readonly number[]): string {
  const words = Array.from({ length: 8 }, (_, at) => (((bytes[2 * at] ?? 0) << 8) | (bytes[2 * at + 1] ?? 0)).toString(16))
  return words.every((word) => word === '0') ? '::' : words.slice(0, 7).every((word) => word === '0') ? `::${words[7]}` : words.join(':')
}

/** Threads of Node, its pool and its libraries. */
const maxThreads = 64
/** Database, pipes of helpers that run, events. */
const maxFiles = 256

/** Judges what was seen. */
export function compareControlPlane({ daemons, told, known }: ObservedControlPlane): Judgement {
  const { findings, add } = notes('N13')
  for (const { pid, threads, zombies, listeners, files, deleted } of daemons) {
    for (const listener of listeners) {
      if (isTold(listener, listeners, told, known)) continue
      add(
        `daemon listener ${listener}`,
        `The daemon (pid ${pid}) listens on ${listener}, and was told to listen on ${told.join(', ')} only.`,
        'restart the daemon',
        { pid },
      )
    }
    for (const zombie of zombies)
      add(`daemon zombie ${zombie}`, `A child of the daemon (pid ${pid}) has ended and is not reaped.`, 'restart the daemon', { pid, zombie })
    if (threads > maxThreads) add('daemon threads', `The daemon (pid ${pid}) has ${threads} threads.`, 'restart the daemon', { pid, threads })
    if (files > maxFiles) add('daemon descriptors', `The daemon (pid ${pid}) has ${files} files open.`, 'restart the daemon', { pid, files })
    for (const path of deleted) add(`daemon file ${path}`, `The daemon (pid ${pid}) holds a file that was removed.`, 'restart the daemon', { pid })
  }
  if (daemons.length > 1) add('daemons', `${daemons.length} daemons serve one data directory.`, 'end all but one', { pids: daemons.map(({ pid }) => pid) })
  const sum = (of: (daemon: ObservedDaemon) => number) => daemons.reduce((total, daemon) => total + of(daemon), 0)
  return {
    findings,
    checked: { daemons: daemons.length, threads: sum(({ threads }) => threads), files: sum((one) => one.files), sockets: sum((one) => one.sockets) },
  }
}

/** Whether a listener is one that was asked for. Port 0 allows as many ports of its host as addresses of that host were told. */
function isTold(listener: string, all: readonly string[], told: readonly string[], known: readonly string[]): boolean {
  const host = hostOf(listener)
  const isExact = [...told, ...known].some((address) => address === listener || (isName(hostOf(address)) && portOf(address) === portOf(listener)))
  if (isExact) return true
  const ofHost = (address: string) => hostOf(address) === host
  return told.includes(`${host}:0`) && all.filter(ofHost).length <= new Set(told.filter(ofHost)).size
}

const hostOf = (address: string) => address.slice(0, address.lastIndexOf(':'))
const portOf = (address: string) => address.slice(address.lastIndexOf(':') + 1)
/** A host that is told by name may have any address. */
const isName = (host: string) => isIP(host.replace(/^\[|\]$/g, '')) === 0
