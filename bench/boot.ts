/** Cold boot: `POST /workspace` until it answers, against the same kernel and initramfs under bare QEMU until the same agent answers. */
import { type ChildProcess, spawn } from 'node:child_process'
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Alcove } from '@alcove/sdk'
import { connectGuest } from '../packages/server/src/guest/client.ts'
import { readArtifacts } from '../test/support/artifacts.ts'
import { bootBareVm } from '../test/support/bare-qemu.ts'
import { type Finding, interleave, judge, ratios } from './measure.ts'

const alcove = fileURLToPath(new URL('../bin/alcove', import.meta.url))
const memoryMib = 256

/** Measures cold boots. */
export async function benchBoot(rounds: number): Promise<Finding[]> {
  const directory = await mkdtemp(join(tmpdir(), 'alcove-bench-'))
  // VMs run as users of their own and pass through it.
  await chmod(directory, 0o711)
  const daemon = spawn(alcove, ['serve', '--data-dir', join(directory, 'data'), '--listen', '127.0.0.1:0', '--log-level', 'info'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  try {
    const client = await connect(daemon, join(directory, 'data'))
    const disk = await keepDiskOfOne(client, directory)
    const series = await interleave(rounds, { bare: () => bootBare(directory, disk), alcove: () => bootAlcove(client) })
    return [judge('cold boot, alcove ÷ bare QEMU (time)', ratios(series.alcove, series.bare), { atMost: 1.15 })]
  } finally {
    daemon.kill('SIGKILL')
    spawn(alcove, ['host', 'clean', '--data-dir', join(directory, 'data')], { stdio: 'inherit' }).on('close', () =>
      rm(directory, { recursive: true, force: true }),
    )
  }
}

async function connect(daemon: ChildProcess, dataDir: string): Promise<Alcove> {
  let output = ''
  await new Promise<void>((resolve, reject) => {
    daemon.once('exit', () => reject(new Error(`the daemon ended: ${output}`)))
    daemon.stdout?.on('data', (chunk) => {
      output += chunk
      if (output.includes('ready for virtual machines')) resolve()
    })
  })
  const { url, clientId, clientSecret } = JSON.parse(await readFile(join(dataDir, 'credentials.json'), 'utf8'))
  return new Alcove({ baseUrl: url, clientId, clientSecret })
}

/** Warms image and page cache with one workspace, and keeps files like its own for the bare VM. */
async function keepDiskOfOne(client: Alcove, directory: string) {
  const { id } = await client.workspaces.create({ image: 'busybox', config: { memory_mb: memoryMib } })
  await client.workspaces.stop(id)
  await mkdir(join(directory, 'bare'))
  await copyFile(join(directory, 'data/vm', id, 'disk.ext4'), join(directory, 'bare/disk.ext4'))
  await client.workspaces.delete(id)
  const image = JSON.parse(await readFile(join(directory, 'data/images/catalogue/busybox.json'), 'utf8'))
  return { disk: join(directory, 'bare/disk.ext4'), image: join(directory, 'data/images/objects', String(image.digest).replace('sha256:', ''), 'rootfs.erofs') }
}

/** Milliseconds from the start of QEMU to the agent's first answer. */
async function bootBare(directory: string, { disk, image }: { disk: string; image: string }): Promise<number> {
  const { kernel, initrd } = await readArtifacts()
  const run = await mkdtemp(join(directory, 'run-'))
  const began = performance.now()
  const vm = bootBareVm({ directory: run, kernel, initrd, memoryMib, disk, image })
  try {
    const guest = await connectGuest(vm.agentSocket, { signal: AbortSignal.timeout(60_000) })
    await guest.info()
    const took = performance.now() - began
    guest.close()
    return took
  } finally {
    await vm.kill()
    await rm(run, { recursive: true, force: true })
  }
}

/** Milliseconds from the request to the answer. */
async function bootAlcove(client: Alcove): Promise<number> {
  const began = performance.now()
  const { id, timings } = await client.workspaces.create({ image: 'busybox', config: { memory_mb: memoryMib } })
  const took = performance.now() - began
  process.stderr.write(`    ${JSON.stringify(timings)}\n`)
  await client.workspaces.delete(id)
  return took
}
