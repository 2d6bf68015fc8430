/** What the host does to VMs and their daemon: pids that come again, a restart, processes that cannot end, neighbours that hang. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, readdir, readFile, rmdir, writeFile } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../packages/server/src/lib/clock.ts'
import { run } from '../../packages/server/src/lib/subprocess.ts'
import type { Vm, VmmDriver } from '../../packages/server/src/vmm/driver.ts'
import { vmPaths } from '../../packages/server/src/vmm/qemu/files.ts'
import { findProcess, listSession } from '../../packages/server/src/vmm/qemu/proc.ts'
import { createVmmSite, eventually, handleOf } from '../support/vmm.ts'

const never = new AbortController().signal
const script = (name: string) => fileURLToPath(new URL(`../support/${name}`, import.meta.url))

async function end(driver: VmmDriver, vm: Vm): Promise<void> {
  await vm.kill()
  await vm.exited
  await driver.reclaim(vm.handle)
}

/** Slowest answer of this process's event loop until `stop` resolves, ms. */
async function slowestBeat(stop: Promise<unknown>): Promise<number> {
  let slowest = 0
  let isOver = false
  void stop.finally(() => {
    isOver = true
  })
  while (!isOver) {
    const at = performance.now()
    await systemClock.sleep(20)
    slowest = Math.max(slowest, performance.now() - at - 20)
  }
  return slowest
}

test('a pid that was given to another process is neither taken up nor signalled', async () => {
  const said = await run(['unshare', '--pid', '--fork', '--mount-proc', process.execPath, '--conditions=source', script('vmm-pid-reuse.ts')])
  assert.deepEqual(JSON.parse(said), { isSamePid: true, isAttached: false, lives: true })
})

test('of another boot of the host no pid is believed or signalled, whatever process has it now', async () => {
  await using site = await createVmmSite()
  const driver = site.driver()
  const vm = await driver.launch(await site.spec(), never)
  const bootId = join(site.root, 'boot_id')
  await writeFile(bootId, `${randomUUID()}\n`)
  const seen = 'mount --bind "$1" /proc/sys/kernel/random/boot_id && exec "$2" --conditions=source "$3" "$4"'
  const said = await run(['unshare', '--mount', 'sh', '-c', seen, 'sh', bootId, process.execPath, script('vmm-after-reboot.ts'), JSON.stringify(vm.handle)])
  assert.deepEqual(JSON.parse(said), { isAttached: false, cause: 'host_reboot' })
  assert.equal(await vm.status(), 'prelaunch')
  await end(driver, vm)
})

test('VMs that hang cost the adoption of the others nothing', { timeout: 60_000 }, async (t) => {
  await using site = await createVmmSite()
  const driver = site.driver()
  const vms: Vm[] = []
  for (let count = 0; count < 10; count += 1) vms.push(await driver.launch(await site.spec(), never))
  for (const vm of vms) vm.release()
  const adoptAll = async () => {
    const beganAt = performance.now()
    const again = await Promise.all(vms.map(({ handle }) => site.driver().attach(handle)))
    assert.ok(again.every((vm) => vm !== undefined))
    return { again: again as Vm[], ms: performance.now() - beganAt }
  }
  const healthy = await adoptAll()
  for (const vm of healthy.again) vm.release()
  process.kill(vms[0]?.handle.pid ?? 0, 'SIGSTOP')
  const { again, ms } = await adoptAll()
  t.diagnostic(`10 VMs were taken up in ${Math.round(healthy.ms)} ms, in ${Math.round(ms)} ms with one that hangs`)
  assert.ok(ms - healthy.ms < 2000)
  await Promise.all(again.slice(1).map(async (vm) => assert.equal(await vm.status(), 'prelaunch')))
  await assert.rejects(again[0]?.status() ?? Promise.resolve(), { code: 'VM_UNAVAILABLE' })
  await Promise.all(again.map((vm) => end(driver, vm)))
})

test('a VM both of whose monitors are held by others is taken up at once, says that it does not answer, and can be ended', async () => {
  await using site = await createVmmSite()
  const driver = site.driver()
  const vm = await driver.launch(await site.spec(), never)
  vm.release()
  const holders = vmPaths(vm.handle.runDir).monitors.map((path) => createConnection(path))
  for (const holder of holders) await once(holder, 'data')
  const beganAt = performance.now()
  const again = await site.driver().attach(vm.handle)
  assert.ok(again && performance.now() - beganAt < 1000)
  await assert.rejects(again.status(), { code: 'VM_UNAVAILABLE' })
  await assert.rejects(again.pause(), { code: 'VM_UNAVAILABLE' })
  for (const holder of holders) holder.destroy()
  await eventually('a monitor answers again', () => again.status().catch(() => undefined))
  await end(driver, again)
})

test('a VM that the kernel does not let end is told as STOP_FAILED, and nothing of it is touched', { timeout: 60_000 }, async () => {
  await using site = await createVmmSite()
  const driver = site.driver()
  const spec = await site.spec()
  const vm = await driver.launch(spec, never)
  // A frozen process of a version 1 hierarchy does not even take SIGKILL.
  const freezer = `/sys/fs/cgroup/freezer/alcove-test-${site.installId}`
  await mkdir(freezer)
  try {
    await writeFile(join(freezer, 'cgroup.procs'), String(vm.handle.pid))
    await writeFile(join(freezer, 'freezer.state'), 'FROZEN')
    await eventually('it is frozen', async () => (await readFile(join(freezer, 'freezer.state'), 'utf8')).trim() === 'FROZEN')
    await assert.rejects(vm.kill(), { code: 'STOP_FAILED' })
    await assert.rejects(driver.reclaim(vm.handle), { code: 'conflict' })
    assert.deepEqual((await readdir(spec.runDir)).sort(), ['stderr', 'vm'])
    assert.equal((await driver.inventory()).length, 1)
  } finally {
    await writeFile(join(freezer, 'freezer.state'), 'THAWED')
  }
  await end(driver, vm)
  await eventually('the freezer is empty', () =>
    rmdir(freezer).then(
      () => true,
      () => false,
    ),
  )
})

test('a helper that left the session of its VM ends with the group of the VM', async () => {
  await using site = await createVmmSite()
  const driver = site.driver()
  const vm = await driver.launch(await site.spec(), never)
  const leave = 'for group in "$@"; do echo 0 >"$group/cgroup.procs"; done; setsid sh -c "sleep 300 </dev/null >/dev/null 2>&1 & echo \\$!"'
  const helper = Number(await run(['sh', '-c', leave, 'sh', ...vm.handle.cgroups]))
  assert.ok(await findProcess(helper), 'the helper lives')
  await end(driver, vm)
  assert.equal(await findProcess(helper), undefined)
})

test('death between fork and exec makes no second VM: what was forked holds the lock', { timeout: 60_000 }, async () => {
  await using site = await createVmmSite()
  const driver = site.driver()
  const spec = await site.spec()
  // The exec of QEMU itself comes 1.5 s late, and its daemon is dead by then.
  const late = ['-f', '-qq', '-o', '/dev/null', '-e', 'trace=execve', '-P', '/usr/bin/qemu-system-x86_64', '-e', 'inject=execve:delay_enter=1500000']
  const tracer = spawn('strace', [...late, process.execPath, '--conditions=source', script('vmm-launch-and-hang.ts'), JSON.stringify(spec)], {
    stdio: 'ignore',
  })
  const isDaemon = async (pid: number) => (await findProcess(pid))?.ppid === tracer.pid
  const daemon = await eventually('the daemon runs', async () => {
    for (const { pid } of await listSession((await findProcess(process.pid))?.session ?? 0)) if (await isDaemon(pid)) return pid
    return undefined
  })
  await eventually('the launcher has begun', async () => (await readdir(join(spec.runDir, 'vm')).catch((): string[] => [])).includes('stderr.fifo'))
  process.kill(daemon, 'SIGKILL')
  const again = await site.spec({ workspaceId: spec.workspaceId })
  assert.equal((await driver.inventory()).length, 0, 'it has no mark yet')
  await assert.rejects(driver.launch(again, never), { code: 'conflict' })
  const [found] = await eventually('the late VM is there', async () => {
    const all = await driver.inventory()
    return all.length > 0 && all
  })
  assert.equal(found?.bootId, spec.bootId)
  await assert.rejects(driver.launch(again, never), { code: 'conflict' })
  assert.equal((await driver.inventory()).length, 1)
  if (found) await driver.killProcess(found)
  if (tracer.exitCode === null && tracer.signalCode === null) await once(tracer, 'exit')
  await driver.reclaim(handleOf(spec))
})

test('when memory is short every process of a VM goes before the daemon', async () => {
  await using site = await createVmmSite()
  const driver = site.driver()
  const vm = await driver.launch(await site.spec(), never)
  const adj = async (pid: number | 'self') => Number(await readFile(`/proc/${pid}/oom_score_adj`, 'utf8'))
  const { session } = (await findProcess(vm.handle.pid)) ?? assert.fail()
  for (const { pid } of await listSession(session)) assert.ok((await adj(pid)) >= (await adj('self')) + 500)
  const score = async (pid: number | 'self') => Number(await readFile(`/proc/${pid}/oom_score`, 'utf8'))
  assert.ok((await score(vm.handle.pid)) > (await score('self')))
  await end(driver, vm)
})

test('guests that never rest leave the daemon its share of the CPUs', { timeout: 60_000 }, async (t) => {
  await using site = await createVmmSite()
  const driver = site.driver()
  const vms: Vm[] = []
  for (let count = 0; count < 4; count += 1) vms.push(await driver.launch(await site.spec({ guest: 'spin', cpus: 2 }), never))
  for (const vm of vms) await vm.resume()
  const slowest = await slowestBeat(systemClock.sleep(3000))
  t.diagnostic(`slowest beat beside 8 busy CPUs: ${Math.round(slowest)} ms`)
  assert.ok(slowest < 1000)
  for (const vm of vms) assert.equal(await vm.status(), 'running')
  await Promise.all(vms.map((vm) => end(driver, vm)))
})
