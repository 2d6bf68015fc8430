/**
 * A disk whose every write is logged, so that a power cut after any of them can be replayed: `qemu-storage-daemon` exports it through
 * FUSE, a loop device lies on the export, ext4 on that.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run, runAny } from '../../packages/server/src/lib/subprocess.ts'
import { eventually } from '../../test/support/vmm.ts'
import { mkfsOptions } from './mounts.ts'
import { countWrites } from './write-log.ts'

/** A mounted disk with its log. */
export interface LoggedDisk {
  /** Where its file system is mounted. */
  readonly path: string
  readonly logPath: string
  readonly sizeBytes: number
  /** Entries of the log by now: a write that was completed is among them. */
  writes(): Promise<number>
  /** Unmounts it and ends the export; the log stays. Idempotent. */
  end(): Promise<void>
}

/** Most that a log may hold, MiB; it is sparse. */
const logMib = 2048

/** Makes the disk in `directory`, which should be memory: then nothing waits for a real disk. */
export async function startLoggedDisk(directory: string, sizeMib: number): Promise<LoggedDisk> {
  const at = (name: string) => join(directory, name)
  const sizeBytes = sizeMib * 1024 * 1024
  for (const [name, size] of [
    ['disk', sizeBytes],
    ['log', logMib * 1024 * 1024],
    ['export', 0],
  ] as const) {
    await writeFile(at(name), '', { mode: 0o600 })
    await truncate(at(name), size)
  }
  const server = spawn('qemu-storage-daemon', argsOf(at), { stdio: ['ignore', 'ignore', 'inherit'] })
  const ended = once(server, 'exit')
  let isMounted = false
  let device = ''
  const end = async () => {
    if (isMounted) await run(['umount', at('mnt')])
    isMounted = false
    if (device) await run(['losetup', '--detach', device])
    device = ''
    server.kill('SIGTERM')
    await ended
    // A server that died leaves the mount of its export.
    await runAny(['umount', '--lazy', at('export')])
  }
  try {
    await eventually('the disk is exported', async () => {
      if (server.exitCode !== null) throw new Error(`qemu-storage-daemon ended with ${server.exitCode}`)
      return (await stat(at('export'))).size === sizeBytes
    })
    device = (await run(['losetup', '--find', '--show', at('export')])).trim()
    await run(['mkfs.ext4', ...mkfsOptions, device])
    await mkdir(at('mnt'), { recursive: true })
    await run(['mount', '-t', 'ext4', device, at('mnt')])
    isMounted = true
    return { path: at('mnt'), logPath: at('log'), sizeBytes, writes: () => countWrites(at('log')), end }
  } catch (error) {
    await end().catch(() => {})
    throw error
  }
}

function argsOf(at: (name: string) => string): string[] {
  const log = { driver: 'blklogwrites', 'node-name': 'logged', file: 'disk', log: 'log', 'log-sector-size': 512, 'log-super-update-interval': 1 }
  const file = (name: string) => ({ driver: 'file', 'node-name': name, filename: at(name) })
  const exported = { type: 'fuse', id: 'export', 'node-name': 'logged', mountpoint: at('export'), writable: true }
  const blocks = [file('disk'), file('log'), log].flatMap((block) => ['--blockdev', JSON.stringify(block)])
  return [...blocks, '--export', JSON.stringify(exported)]
}
