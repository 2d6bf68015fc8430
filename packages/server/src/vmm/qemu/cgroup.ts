/** Resource limits of VMs through control groups: version 1, version 2, or none where the host has none. @see cgroups(7) */
import { mkdir, readdir, readFile, rmdir, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Clock } from '../../lib/clock.ts'
import { tcgCacheMib } from './args.ts'
import { findProcess } from './proc.ts'
import { signalKill } from './process.ts'

/** What one VM may use. */
export interface CgroupLimits {
  readonly memoryBytes: number
  /** Processes and threads. */
  readonly pids: number
  /** Weight against other VMs; a VM of n CPUs has n times the weight of one. */
  readonly cpus: number
}

/** The control groups of one install. */
export interface Cgroups {
  /** Makes the directories of a boot with their limits. The launcher joins them. Idempotent. */
  create(workspaceId: string, bootId: string, limits: CgroupLimits): Promise<readonly string[]>
  /** Directories a boot has or would have here. */
  paths(workspaceId: string, bootId: string): Promise<readonly string[]>
  /** Boots that have directories here. */
  list(): Promise<readonly { readonly workspaceId: string; readonly bootId: string }[]>
  /** Removes the directories of a boot that nothing is in; ends no process. Idempotent. Rejects when something is. */
  removeEmpty(workspaceId: string, bootId: string): Promise<void>
  /** Removes the directories of a dead boot, and ends what was left in them. Idempotent. Rejects when a process does not end. */
  remove(workspaceId: string, bootId: string): Promise<void>
}

/**
 * Memory QEMU needs besides the guest's, MiB: about 38 resident with a guest of a few bytes (measured, QEMU 7.2), buffers of I/O, the
 * log writers, and the cache of translated code, counted at its bound.
 */
const overheadMib = 160 + tcgCacheMib

/** Threads besides the virtual CPUs: main loop, RCU, up to 64 for I/O, five of the log writers, and room. */
const overheadPids = 128

/** The limits of a VM. */
export function limitsOf({ cpus, memoryMib }: { readonly cpus: number; readonly memoryMib: number }): CgroupLimits {
  return { memoryBytes: (memoryMib + overheadMib) * 1024 * 1024, pids: cpus + overheadPids, cpus }
}

/** Looks for the hierarchies below `root`, normally `/sys/fs/cgroup`, and manages the groups of `installId` in them. */
export function createCgroups({ installId, root, clock }: { readonly installId: string; readonly root: string; readonly clock: Clock }): Cgroups {
  let detected: Promise<readonly Hierarchy[]> | undefined
  // The daemon's own group is no place for VMs: it ends with the daemon.
  const all = async () => {
    detected ??= detect(root)
    return (await detected).map((hierarchy) => ({ ...hierarchy, parent: join(hierarchy.path, `alcove-${installId}`) }))
  }
  const leaf = (parent: string, workspaceId: string, bootId: string) => join(parent, `${workspaceId}-${bootId}`)
  return {
    async create(workspaceId, bootId, limits) {
      const made: string[] = []
      for (const { path, parent, kind } of await all()) {
        const directory = leaf(parent, workspaceId, bootId)
        await ensureGroup(directory)
        if (kind === 'v2') for (const above of [path, parent]) await enableControllers(above)
        for (const [file, value] of together[kind]) await writeSetting(join(parent, file), value)
        for (const [file, value] of settings[kind](limits)) await writeSetting(join(directory, file), value)
        made.push(directory)
      }
      return made
    },
    paths: async (workspaceId, bootId) => (await all()).map(({ parent }) => leaf(parent, workspaceId, bootId)),
    async list() {
      const names = new Set<string>()
      for (const { parent } of await all()) for (const name of await groupsIn(parent)) names.add(name)
      return [...names].flatMap((name) => {
        const [, workspaceId, bootId] = /^(ws_[a-z0-9]+)-(boot_[a-z0-9]+)$/.exec(name) ?? []
        return workspaceId !== undefined && bootId !== undefined ? [{ workspaceId, bootId }] : []
      })
    },
    async removeEmpty(workspaceId, bootId) {
      for (const { parent } of await all()) {
        await rmdir(leaf(parent, workspaceId, bootId)).catch(ignoreMissing)
        await rmdir(parent).catch(() => {})
      }
    },
    async remove(workspaceId, bootId) {
      for (const { parent } of await all()) {
        await removeGroup(leaf(parent, workspaceId, bootId), clock)
        // The last VM's leaving empties it; a busy or missing one is as it should be.
        await rmdir(parent).catch(() => {})
      }
    },
  }
}

interface Hierarchy {
  readonly path: string
  readonly kind: 'v2' | 'cpu' | 'memory' | 'pids'
}

async function detect(root: string): Promise<readonly Hierarchy[]> {
  if (await exists(join(root, 'cgroup.controllers'))) return [{ path: root, kind: 'v2' }]
  const found: Hierarchy[] = []
  for (const kind of ['memory', 'pids', 'cpu'] as const) if (await exists(join(root, kind, 'cgroup.procs'))) found.push({ path: join(root, kind), kind })
  return found
}

const settings: Record<Hierarchy['kind'], (limits: CgroupLimits) => readonly (readonly [string, string])[]> = {
  memory: ({ memoryBytes }) => [['memory.limit_in_bytes', String(memoryBytes)]],
  pids: ({ pids }) => [['pids.max', String(pids)]],
  cpu: ({ cpus }) => [['cpu.shares', String(1024 * cpus)]],
  v2: ({ memoryBytes, pids, cpus }) => [
    ['memory.max', String(memoryBytes)],
    ['memory.oom.group', '1'],
    ['pids.max', String(pids)],
    ['cpu.weight', String(Math.min(10_000, 100 * cpus))],
  ],
}

/** All VMs together weigh as much as one other group, or one process that is in none: however busy they are, the daemon gets its turn. */
const together: Record<Hierarchy['kind'], readonly (readonly [string, string])[]> = {
  memory: [],
  pids: [],
  cpu: [['cpu.shares', '1024']],
  v2: [['cpu.weight', '100']],
}

/** How many processes of the groups the kernel has ended for want of memory; version 1 and 2 count in files of their own. */
export async function readOomKills(groups: readonly string[]): Promise<number> {
  const files = groups.flatMap((group) => ['memory.events', 'memory.oom_control'].map((name) => join(group, name)))
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8').catch(() => '')))
  return Math.max(0, ...texts.map((text) => Number(/^oom_kill (\d+)$/m.exec(text)?.[1] ?? 0)))
}

/** A missing file means a controller that this host does not offer; a refused value is an error. */
async function writeSetting(path: string, value: string): Promise<void> {
  if (await exists(path)) await writeFile(path, value)
}

/** Offers to the groups below what this group itself has. */
async function enableControllers(path: string): Promise<void> {
  const offered = (await readFile(join(path, 'cgroup.controllers'), 'utf8')).trim().split(/\s+/)
  for (const controller of ['memory', 'pids', 'cpu'].filter((name) => offered.includes(name))) {
    await writeFile(join(path, 'cgroup.subtree_control'), `+${controller}`)
  }
}

/** Another VM's end may remove the parent between our two steps: then again. */
async function ensureGroup(path: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await mkdir(dirname(path), { recursive: true })
      await mkdir(path)
      return
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code
      if (code === 'EEXIST' && (await exists(path))) return
      if (attempt === 5 || (code !== 'ENOENT' && code !== 'EEXIST')) throw error
    }
  }
}

/** The kernel calls a group busy for some ms after its last process ended. A process that left the session of its VM is still in its group. */
async function removeGroup(path: string, clock: Clock): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    if (attempt > 5) await killMembers(path)
    try {
      await rmdir(path)
      return
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code
      if (code === 'ENOENT') return
      if (code !== 'EBUSY' || attempt === 50) throw error
      await clock.sleep(20)
    }
  }
}

async function killMembers(path: string): Promise<void> {
  const readMembers = async () => (await readFile(join(path, 'cgroup.procs'), 'utf8').catch(() => '')).split('\n').filter((pid) => /^[1-9]\d*$/.test(pid))
  for (const pid of await readMembers()) {
    const process = await findProcess(Number(pid))
    // Asked again once its start is known: what has that start is the one that is a member.
    if (process && (await readMembers()).includes(pid)) await signalKill(process)
  }
}

async function groupsIn(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true }).catch((error) => ignoreMissing(error) ?? [])
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined
}
