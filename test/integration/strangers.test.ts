/** What proves that something on a real host is ours: a mark alone does not, and of what is ours only the boot that is meant goes. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readdir, rm, rmdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'node:test'
import { systemClock } from '../../packages/server/src/lib/clock.ts'
import { newId } from '../../packages/server/src/lib/ids.ts'
import { run } from '../../packages/server/src/lib/subprocess.ts'
import { createCgroups } from '../../packages/server/src/vmm/qemu/cgroup.ts'
import { findProcess } from '../../packages/server/src/vmm/qemu/proc.ts'
import { createVmmSite, eventually } from '../support/vmm.ts'

const never = new AbortController().signal
const exists = async (path: string) => (await stat(path).catch(() => undefined)) !== undefined

/** A QEMU of somebody else, with the arguments of a VM. */
function otherQemu(mark: string, uid: number): ChildProcess {
  return spawn('/usr/bin/qemu-system-x86_64', ['-name', mark, '-M', 'none', '-nodefaults', '-display', 'none', '-S'], { stdio: 'ignore', uid, gid: uid })
}

/** Another program with the arguments of a VM: to a shell they are four of its options and a script, which here is a pipe that nobody writes into. */
async function shellLikeQemu(mark: string, cwd: string, uid: number): Promise<ChildProcess> {
  await chmod(cwd, 0o755)
  await run(['mkfifo', '--mode=666', join(cwd, mark)])
  return spawn('/bin/dash', ['-name', mark], { stdio: 'ignore', cwd, uid, gid: uid })
}

test('a process that only bears our mark is no VM of ours: another program, another user, another installation', { timeout: 60_000 }, async () => {
  await using site = await createVmmSite()
  const uids = { first: 200_000, last: 300_000 }
  const driver = site.driver({ uids })
  const vm = await driver.launch(await site.spec(), never)
  const { workspaceId, bootId, pid, startTicks } = vm.handle
  const mark = `alcove:${site.installId}:${workspaceId}:${bootId}`
  const pipes = await mkdtemp('/tmp/alcove-pipe-')
  const lookAlikes = [await shellLikeQemu(mark, pipes, uids.first), otherQemu(mark, 65_534), otherQemu(mark.replace(site.installId, 'other'), uids.first)]
  try {
    await eventually('they run', async () => (await Promise.all(lookAlikes.map((child) => findProcess(child.pid ?? 0)))).every(Boolean))
    assert.deepEqual(await driver.inventory(), [{ pid, startTicks, workspaceId, bootId }])
    await driver.killProcess({ pid: lookAlikes[1]?.pid ?? 0, startTicks: 1, workspaceId, bootId })
    await vm.kill()
    await driver.reclaim(vm.handle)
    for (const child of lookAlikes) assert.ok(await findProcess(child.pid ?? 0), 'a look-alike was ended')
  } finally {
    for (const child of lookAlikes) {
      child.kill('SIGKILL')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    }
    await rm(pipes, { recursive: true })
    await vm.kill()
    await driver.reclaim(vm.handle)
  }
})

test('what a former boot left goes beside the VM that runs; groups with a process, or of another installation, stay', { timeout: 60_000 }, async () => {
  await using site = await createVmmSite()
  const driver = site.driver()
  const former = await site.spec()
  const vm = await driver.launch(await site.spec({ workspaceId: former.workspaceId }), never)
  const { workspaceId } = former
  const cgroups = createCgroups({ installId: site.installId, root: '/sys/fs/cgroup', clock: systemClock })
  const others = createCgroups({ installId: newId('acc').slice(4), root: '/sys/fs/cgroup', clock: systemClock })
  const limits = { memoryBytes: 2 ** 28, pids: 100, cpus: 1 }
  await cgroups.create(workspaceId, former.bootId, limits)
  const foreign = await others.create(workspaceId, former.bootId, limits)
  await mkdir(join(former.runDir, 'vm'), { recursive: true })
  await writeFile(join(former.runDir, 'vm', 'agent.sock'), '')
  try {
    const bootIds = (await driver.groups()).map((group) => group.bootId).sort()
    assert.deepEqual(bootIds, [former.bootId, vm.handle.bootId].sort())
    for (let time = 0; time < 2; time++) await driver.discard(former)
    assert.deepEqual(await readdir(former.runDir), [])
    assert.deepEqual(
      (await driver.groups()).map((group) => group.bootId),
      [vm.handle.bootId],
    )
    for (const group of foreign) assert.ok(await exists(group), 'the group of another installation')
    await assert.rejects(driver.discard(vm.handle), { code: 'conflict' })
    await assert.rejects(cgroups.removeEmpty(workspaceId, vm.handle.bootId), { code: 'EBUSY' })
    assert.equal(await vm.status(), 'prelaunch')
  } finally {
    await others.remove(workspaceId, former.bootId)
    await vm.kill()
    await vm.exited
    await driver.reclaim(vm.handle)
    for (const group of foreign) await rmdir(group).catch(() => {})
  }
})
