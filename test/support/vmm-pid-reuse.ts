/** For a pid namespace of a test's own: gives the pid of a process that ended to another, and acts on what was known of the first. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { systemClock } from '../../packages/server/src/lib/clock.ts'
import { createLogger } from '../../packages/server/src/lib/log.ts'
import { plainStep } from '../../packages/server/src/lib/step.ts'
import { createQemuDriver } from '../../packages/server/src/vmm/qemu/driver.ts'
import { findProcess, readHostBootId } from '../../packages/server/src/vmm/qemu/proc.ts'
import { signalKill } from '../../packages/server/src/vmm/qemu/process.ts'

/** A process that carries the mark of a VMM, as far as /proc tells. */
async function impostor(bootId: string): Promise<ChildProcess & { readonly pid: number }> {
  const child = spawn('find', ['-name', `alcove:test:ws_a:${bootId}`, '-o', '-exec', 'sleep', '60', ';'], { cwd: '/dev/shm', stdio: 'ignore' })
  await once(child, 'spawn')
  return child as ChildProcess & { readonly pid: number }
}

const first = spawn('sleep', ['60'], { stdio: 'ignore' })
await once(first, 'spawn')
const pid = first.pid as number
const startTicks = (await findProcess(pid))?.startTicks ?? 0
first.kill('SIGKILL')
await once(first, 'exit')
// Ticks have 10 ms: the second is to have another.
await systemClock.sleep(30)
let second: ChildProcess | undefined
for (let attempt = 0; second?.pid !== pid && attempt < 200; attempt += 1) {
  second?.kill('SIGKILL')
  await writeFile('/proc/sys/kernel/ns_last_pid', String(pid - 1))
  second = await impostor('boot_a')
}
const isSamePid = second?.pid === pid
const known = { pid, startTicks, workspaceId: 'ws_a', bootId: 'boot_a' }
const driver = createQemuDriver({ installId: 'test', step: plainStep, clock: systemClock, log: createLogger('silent'), kvm: 'off' })
const paths = { runDir: '/nowhere', agentSocket: '/nowhere', lockPath: '/nowhere', cgroups: [], uid: 1 }
const vm = await driver.attach({ version: 1, installId: 'test', hostBootId: await readHostBootId(), ...paths, ...known })
await driver.killProcess(known)
await signalKill(known)
await systemClock.sleep(50)
process.stdout.write(JSON.stringify({ isSamePid, isAttached: vm !== undefined, lives: (await findProcess(pid)) !== undefined }))
process.exit(0)
