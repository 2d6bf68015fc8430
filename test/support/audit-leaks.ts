/** Leaks to be planted for the auditor, at least one for each invariant: real objects of the kernel, real files, real rows. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir, readFile, rename, rm, rmdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Invariant } from '../../packages/server/src/audit/finding.ts'
import { run, runAny } from '../../packages/server/src/lib/subprocess.ts'
import { installNames } from '../../packages/server/src/network/names.ts'
import { databaseLeaks } from './audit-leaks-database.ts'

/** An installation to plant in: it has a workspace that runs, and a stopped one that keeps its address. */
export interface Subject {
  readonly dataDir: string
  readonly installId: string
  readonly running: string
  readonly stopped: string
}

/** A planted leak. */
export interface Planted {
  /** What the object of its finding must contain. */
  readonly object: string
  remove(): Promise<void>
}

/** A leak that can be planted. */
export interface Leak {
  readonly invariant: Invariant
  readonly name: string
  plant(subject: Subject): Promise<Planted>
}

/** A workspace that no row has ever known, and its boot. */
export const nobody = { workspace: 'ws_nobodynobody', boot: 'boot_nobodynobody' } as const

/** All leaks but those of the daemon itself, to be planted while none runs: a pass of the daemon would mend some of them. */
export const leaks: readonly Leak[] = [
  {
    invariant: 'N1',
    name: 'a QEMU with our mark for a workspace that does not exist',
    async plant({ installId }) {
      const marker = `alcove:${installId}:${nobody.workspace}:${nobody.boot}`
      const child = spawn('/usr/bin/qemu-system-x86_64', ['-name', marker, '-M', 'none', '-nodefaults', '-display', 'none', '-S'], { stdio: 'ignore' })
      const exited = once(child, 'exit')
      await once(child, 'spawn')
      return {
        object: `${nobody.workspace} process ${child.pid}`,
        async remove() {
          child.kill('SIGKILL')
          await exited
        },
      }
    },
  },
  {
    invariant: 'N2',
    name: 'a record with another start time',
    async plant({ dataDir, running }) {
      const path = join(dataDir, 'vm', running, 'handle.json')
      const text = await readFile(path, 'utf8')
      const record = JSON.parse(text)
      await writeFile(path, JSON.stringify({ ...record, handle: { ...record.handle, startTicks: record.handle.startTicks + 1 } }))
      return { object: running, remove: () => writeFile(path, text) }
    },
  },
  {
    invariant: 'N3',
    name: 'a tap with our alias',
    async plant({ installId }) {
      const { namespacePath, owner } = installNames(installId)
      const enter = ['nsenter', `--net=${namespacePath}`, 'ip'] as const
      await run([...enter, 'tuntap', 'add', 'dev', 'vm60000', 'mode', 'tap'])
      await run([...enter, 'link', 'set', 'dev', 'vm60000', 'alias', `${owner}:${nobody.workspace}:${nobody.boot}`])
      return { object: 'device vm60000', remove: async () => void (await run([...enter, 'link', 'delete', 'dev', 'vm60000'])) }
    },
  },
  nftLeak('a chain', 'rules of', 'add chain inet alcove planted', 'delete chain inet alcove planted'),
  nftLeak('an element of an unknown workspace', 'elements of slot 60000', ...element('"vm60000"', nobody)),
  nftLeak(
    'an element that is no tap',
    'element internet eth9',
    'add element inet alcove internet { "eth9" }',
    'delete element inet alcove internet { "eth9" }',
  ),
  {
    invariant: 'N5',
    name: 'a tracked connection of an address without an owner',
    async plant({ installId }) {
      const enter = ['nsenter', `--net=${installNames(installId).namespacePath}`, 'conntrack'] as const
      const flow = ['-s', '10.200.0.9', '-d', '203.0.113.1', '-p', 'tcp', '--sport', '1025', '--dport', '80', '--state', 'ESTABLISHED', '--timeout', '600']
      await run([...enter, '-I', ...flow])
      return { object: '10.200.0.9', remove: async () => void (await run([...enter, '-D', '--orig-src', '10.200.0.9'])) }
    },
  },
  {
    invariant: 'N6',
    name: 'an empty control group of a boot',
    async plant({ installId }) {
      const parent = join(await hierarchyOf(installId), `alcove-${installId}`)
      const path = join(parent, `${nobody.workspace}-${nobody.boot}`)
      await mkdir(path)
      return { object: path, remove: () => rmdir(path) }
    },
  },
  fileLeak('the directory of an unknown workspace', () => `vm/${nobody.workspace}/disk.ext4`, `vm/${nobody.workspace}`),
  fileLeak('a stray file among the workspaces', () => 'vm/stray'),
  fileLeak('a stray file of a workspace', ({ stopped }) => `vm/${stopped}/core`),
  fileLeak('a temporary file', ({ running }) => `vm/${running}/handle.json.0badcafe.tmp`),
  imageLeak('a flipped byte', (bytes) => Buffer.from(bytes.map((byte, at) => (at === bytes.length >> 1 ? byte ^ 1 : byte)))),
  imageLeak('a missing file', () => undefined),
  {
    invariant: 'N12',
    name: 'a mount below the data directory',
    async plant({ dataDir }) {
      const point = join(dataDir, 'planted')
      await mkdir(point)
      await run(['mount', '-t', 'tmpfs', '-o', 'size=64k', 'planted', point])
      return {
        object: `mount ${point}`,
        async remove() {
          await run(['umount', point])
          await rmdir(point)
        },
      }
    },
  },
  ...databaseLeaks,
]

function element(tap: string, { workspace, boot }: typeof nobody): [string, string] {
  const key = `inet alcove internet { ${tap}`
  return [`add element ${key} comment "alcove:INSTALL:${workspace}:${boot}" }`, `delete element ${key} }`]
}

function nftLeak(name: string, object: string, add: string, remove: string): Leak {
  return {
    invariant: 'N4',
    name,
    async plant({ installId }) {
      const nft = (text: string) =>
        run(['nsenter', `--net=${installNames(installId).namespacePath}`, 'nft', '-f', '-'], { input: text.replace('INSTALL', installId) })
      await nft(add)
      return { object, remove: async () => void (await nft(remove)) }
    },
  }
}

function fileLeak(name: string, pathOf: (subject: Subject) => string, root?: string): Leak {
  return {
    invariant: 'N7',
    name,
    async plant(subject) {
      const path = pathOf(subject)
      await mkdir(join(subject.dataDir, path, '..'), { recursive: true })
      await writeFile(join(subject.dataDir, path), 'planted')
      return { object: root ?? path, remove: () => rm(join(subject.dataDir, root ?? path), { recursive: true }) }
    },
  }
}

/** Replaces the root file system of an image by another file: the file itself is shared with the cache of this host. */
function imageLeak(name: string, change: (bytes: Buffer) => Buffer | undefined): Leak {
  return {
    invariant: 'N8',
    name,
    async plant({ dataDir }) {
      const objects = join(dataDir, 'images/objects')
      const [image = ''] = await readdir(objects)
      const path = join(objects, image, 'rootfs.erofs')
      const aside = join(objects, image, 'aside')
      const changed = change(await readFile(path))
      await rename(path, aside)
      if (changed) await writeFile(path, changed)
      return { object: image, remove: () => rename(aside, path) }
    },
  }
}

/** A hierarchy in which the installation has groups. */
async function hierarchyOf(installId: string): Promise<string> {
  const root = '/sys/fs/cgroup'
  const { stdout } = await runAny(['find', root, '-maxdepth', '2', '-name', `alcove-${installId}`])
  const [first] = stdout.split('\n')
  return first ? join(first, '..') : Promise.reject(new Error(`${installId} has no control group below ${root}`))
}
