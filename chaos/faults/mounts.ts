/** File systems of a test's own: small ones that fill up, and memory for scratch. Each is unmounted by the function it comes with. */
import { mkdir, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run, runAny } from '../../packages/server/src/lib/subprocess.ts'

/** A mounted file system. */
export interface Mount {
  readonly path: string
  /** Makes it read-only, or writable again. */
  remount(mode: 'ro' | 'rw'): Promise<void>
  /** Unmounts and removes it. Idempotent. */
  end(): Promise<void>
}

/** Size of an ext4, and how many files it has room for. */
export interface Ext4Options {
  readonly sizeMib: number
  readonly inodes?: number
}

/** Options of mkfs: root must see a full disk (`-m 0`), and nothing may be written later that the test did not cause. */
export const mkfsOptions = ['-q', '-F', '-m', '0', '-b', '4096', '-O', '^resize_inode', '-E', 'lazy_itable_init=0,lazy_journal_init=0'] as const

/** A file system in memory, mounted at a new directory. */
export async function mountMemory(path: string, sizeMib: number): Promise<Mount> {
  await mkdir(path, { recursive: true, mode: 0o711 })
  await run(['mount', '-t', 'tmpfs', '-o', `size=${sizeMib}m,mode=0711`, 'tmpfs', path])
  return mounted(path)
}

/** An ext4 in the file `PATH.img`, mounted at a new directory. */
export async function mountExt4(path: string, { sizeMib, inodes }: Ext4Options): Promise<Mount> {
  const image = `${path}.img`
  await writeFile(image, '', { mode: 0o600 })
  await truncate(image, sizeMib * 1024 * 1024)
  await run(['mkfs.ext4', ...mkfsOptions, ...(inodes === undefined ? [] : ['-N', String(inodes)]), image])
  return mountImage(image, path)
}

/** Mounts an image with a file system, replaying its journal as after a power cut; the image goes with the mount. */
export async function mountImage(image: string, path: string): Promise<Mount> {
  await mkdir(path, { recursive: true })
  await run(['mount', '-t', 'ext4', '-o', 'loop', image, path])
  await rm(join(path, 'lost+found'), { recursive: true, force: true })
  const mount = mounted(path)
  return {
    ...mount,
    async end() {
      await mount.end()
      await rm(image, { force: true })
    },
  }
}

function mounted(path: string): Mount {
  return {
    path,
    remount: async (mode) => void (await run(['mount', '-o', `remount,${mode}`, path])),
    async end() {
      const { exitCode, stderr } = await runAny(['umount', path])
      if (exitCode !== 0 && !/not mounted|no mount point|not found/.test(stderr)) throw new Error(stderr.trim())
      await rm(path, { recursive: true, force: true })
    },
  }
}
