/** What a fault needs of the host. A figure without its tools fails and says how to get them; it is never skipped. */
import { access, constants } from 'node:fs/promises'
import { runAny } from '../../packages/server/src/lib/subprocess.ts'

/** Package of each tool, for the remedy. */
const packages: Readonly<Record<string, string>> = {
  strace: 'strace',
  'qemu-storage-daemon': 'qemu-system-common',
  'mkfs.ext4': 'e2fsprogs',
  losetup: 'mount',
  mount: 'mount',
}

const devices: Readonly<Record<string, string>> = {
  '/dev/fuse': 'modprobe fuse',
  '/dev/loop-control': 'modprobe loop',
}

/** Checks that programs and devices are there. @throws Error that names the remedy of each that is not */
export async function need(...things: readonly string[]): Promise<void> {
  const missing: string[] = []
  for (const thing of things) {
    const isThere = thing.startsWith('/') ? await mayUse(thing) : (await runAny(['sh', '-c', 'command -v "$1"', 'sh', thing])).exitCode === 0
    if (!isThere) missing.push(`${thing} (${devices[thing] ?? `apt-get install ${packages[thing] ?? thing}`}, or run script/bootstrap)`)
  }
  if (missing.length > 0) throw new Error(`this host lacks ${missing.join('; ')}`)
}

async function mayUse(path: string): Promise<boolean> {
  return access(path, constants.R_OK | constants.W_OK).then(
    () => true,
    () => false,
  )
}
