/** The smallest image the agent can start programs in: busybox, a few users, and scripts of the test. */
import { chmod, copyFile, mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../../packages/server/src/lib/subprocess.ts'

const applets = [
  'sh',
  'cat',
  'echo',
  'id',
  'ip',
  'sleep',
  'ls',
  'dd',
  'yes',
  'ps',
  'hostname',
  'env',
  'head',
  'seq',
  'true',
  'kill',
  'date',
  'ping',
  'mount',
  'sync',
]

/** Writes an erofs image to `path`. */
export async function makeAgentImage(path: string): Promise<void> {
  const root = await mkdtemp(`${path}.root-`)
  try {
    await chmod(root, 0o755)
    for (const name of ['bin', 'etc', 'tmp', 'home/box', 'srv']) await mkdir(join(root, name), { recursive: true })
    await copyFile('/usr/bin/busybox', join(root, 'bin/busybox'))
    for (const applet of applets) await symlink('busybox', join(root, 'bin', applet))
    await writeFile(join(root, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\nbox:x:1000:1001::/home/box:/bin/sh\n')
    await writeFile(join(root, 'etc/group'), 'root:x:0:\nbox:x:1001:\nvideo:x:44:box\n')
    await symlink('../run/nowhere/resolv.conf', join(root, 'etc/resolv.conf'))
    await writeFile(join(root, 'srv/data'), 'not a program\n')
    await run(['mkfs.erofs', '-T0', path, root])
  } finally {
    await rm(root, { recursive: true, force: true })
  }
}

/** Writes a disk to `path`: an ext4 of `formattedMib` in a file of `sizeMib`. */
export async function makeAgentDisk(path: string, formattedMib: number, sizeMib: number): Promise<void> {
  await run(['mkfs.ext4', '-q', '-F', path, `${formattedMib}M`])
  await truncate(path, sizeMib * 1024 * 1024)
}

/** Writes an initramfs to `path` whose PID 1 is a shell script. */
export async function makeScriptInitrd(path: string, script: string): Promise<void> {
  const root = await mkdtemp(`${path}.root-`)
  try {
    for (const name of ['bin', 'proc', 'sys', 'dev']) await mkdir(join(root, name))
    await copyFile('/usr/bin/busybox', join(root, 'bin/busybox'))
    await writeFile(join(root, 'init'), `#!/bin/busybox sh\n${script}\n`, { mode: 0o755 })
    await run(['sh', '-c', 'mknod dev/console c 5 1; find . | cpio --quiet -o -H newc > "$1"', 'sh', path], { cwd: root })
  } finally {
    await rm(root, { recursive: true, force: true })
  }
}
