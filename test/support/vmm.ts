/** A host directory with everything a launch needs, and the proof that nothing of it is left afterwards. */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, rmdir, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { systemClock } from '../../packages/server/src/lib/clock.ts'
import { newId } from '../../packages/server/src/lib/ids.ts'
import { plainStep } from '../../packages/server/src/lib/step.ts'
import type { LaunchSpec, VmHandle } from '../../packages/server/src/vmm/driver.ts'
import { createQemuDriver, type QemuDriverOptions } from '../../packages/server/src/vmm/qemu/driver.ts'
import { listPids, readCommandLine } from '../../packages/server/src/vmm/qemu/proc.ts'
import { type StubBehaviour, writeStubKernel } from './stub-kernel.ts'

/** A place to launch VMs in, with an install id of its own. */
export interface VmmSite extends AsyncDisposable {
  readonly installId: string
  readonly root: string
  /** A spec for a workspace; the same workspace again gives another boot of it. */
  spec(options?: { readonly workspaceId?: string; readonly guest?: StubBehaviour } & Partial<LaunchSpec>): Promise<LaunchSpec>
  /** A driver of this install, without KVM. */
  driver(options?: Partial<QemuDriverOptions>): ReturnType<typeof createQemuDriver>
}

/** Makes a site. Disposing it proves that no process and no cgroup of it is left, then removes its files. */
export async function createVmmSite(): Promise<VmmSite> {
  const installId = newId('acc').slice(4)
  const root = await mkdtemp(join(tmpdir(), 'alcove-vmm-'))
  const log = pino({ level: 'silent' })
  const images = join(root, 'images')
  await mkdir(images)
  for (const name of ['initrd', 'image']) await writeFile(join(images, name), Buffer.alloc(4096), { mode: 0o644 })
  let uid = 200_000 + Math.floor(Math.random() * 100_000)
  const uids = new Map<string, number>()
  return {
    installId,
    root,
    async spec({ workspaceId = newId('ws'), guest = 'halt', ...more } = {}) {
      const bootId = newId('boot')
      const own = uids.get(workspaceId) ?? uid++
      uids.set(workspaceId, own)
      const directory = join(root, workspaceId)
      const runDir = join(directory, bootId)
      const kernelPath = join(images, guest)
      await writeStubKernel(kernelPath, guest)
      // 0700 as in production: the VM's user cannot walk here.
      for (const path of [directory, join(directory, 'log'), runDir]) await mkdir(path, { recursive: true, mode: 0o700 })
      const diskPath = join(directory, 'disk')
      await writeFile(diskPath, '', { flag: 'a' })
      await truncate(diskPath, 1024 * 1024)
      return {
        ...{ installId, workspaceId, bootId, runDir, logDir: join(directory, 'log'), lockPath: join(directory, 'lock'), uid: own },
        ...{ cpus: 1, memoryMib: 128, kernelPath, initrdPath: join(images, 'initrd'), imagePath: join(images, 'image'), diskPath },
        ...{ mac: '02:00:00:00:00:01' },
        ...more,
      }
    },
    driver: (options = {}) => createQemuDriver({ installId, step: plainStep, clock: systemClock, log, kvm: 'off', ...options }),
    async [Symbol.asyncDispose]() {
      const left = await traces(installId, root)
      if (left.length > 0) await clear(installId)
      assert.deepEqual(left, [], 'nothing of the site is left on the host')
      await rm(root, { recursive: true, force: true })
    },
  }
}

/** What a reclaim needs to know of a spec whose VM never got a handle. */
export function handleOf({ workspaceId, bootId, runDir, lockPath }: LaunchSpec): Pick<VmHandle, 'workspaceId' | 'bootId' | 'runDir' | 'lockPath' | 'cgroups'> {
  return { workspaceId, bootId, runDir, lockPath, cgroups: [] }
}

/** Processes that name the site or its install on their command line, and cgroups of the install. */
export async function traces(installId: string, root: string): Promise<readonly string[]> {
  const found: string[] = []
  for (const pid of await listPids()) {
    const line = (await readCommandLine(pid)).join(' ')
    if (pid !== process.pid && (line.includes(`alcove:${installId}:`) || line.includes(root))) found.push(`process ${pid}: ${line.slice(0, 200)}`)
  }
  for (const hierarchy of await readdir('/sys/fs/cgroup').catch((): string[] => [])) {
    const groups = await readdir(join('/sys/fs/cgroup', hierarchy)).catch((): string[] => [])
    if (groups.includes(`alcove-${installId}`) || hierarchy === `alcove-${installId}`) found.push(`cgroup in ${hierarchy}`)
  }
  return found
}

/** Ends what a failed test left, so that it disturbs no other. */
async function clear(installId: string): Promise<void> {
  const driver = createQemuDriver({ installId, step: plainStep, clock: systemClock, log: pino({ level: 'silent' }), kvm: 'off' })
  for (const found of await driver.inventory()) await driver.killProcess(found).catch(() => {})
  for (const hierarchy of await readdir('/sys/fs/cgroup').catch((): string[] => [])) {
    const parent = join('/sys/fs/cgroup', hierarchy, `alcove-${installId}`)
    for (const group of await readdir(parent).catch((): string[] => [])) await rmdir(join(parent, group)).catch(() => {})
    await rmdir(parent).catch(() => {})
  }
}

/** Waits until `ask` gives something other than `undefined` or `false`. */
export async function eventually<T>(what: string, ask: () => Promise<T | undefined | false>, timeoutMs = 20_000): Promise<T> {
  const giveUpAt = performance.now() + timeoutMs
  for (;;) {
    const answer = await ask()
    if (answer !== undefined && answer !== false) return answer
    if (performance.now() > giveUpAt) throw new Error(`did not happen in ${timeoutMs} ms: ${what}`)
    await systemClock.sleep(10)
  }
}
