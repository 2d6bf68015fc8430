/** The QEMU driver on this host: confinement, life across daemons, faults at launch. Guests of a few bytes. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { systemClock } from '../../packages/server/src/lib/clock.ts'
import { AlcoveError } from '../../packages/server/src/lib/fail.ts'
import { failpointStep } from '../../packages/server/src/lib/step.ts'
import { run, runAny } from '../../packages/server/src/lib/subprocess.ts'
import type { Vm, VmHandle, VmmDriver } from '../../packages/server/src/vmm/driver.ts'
import { vmPaths } from '../../packages/server/src/vmm/qemu/files.ts'
import { isLocked } from '../../packages/server/src/vmm/qemu/lock.ts'
import { assertConfined } from '../support/confinement.ts'
import { createVmmSite, eventually, handleOf } from '../support/vmm.ts'

const never = new AbortController().signal
const isCode = (code: string, cause?: RegExp) => (error: unknown) =>
  error instanceof AlcoveError && error.code === code && (cause === undefined || cause.test(String(error.cause)))

async function end(driver: VmmDriver, vm: Vm): Promise<void> {
  await vm.kill()
  await vm.exited
  await driver.reclaim(vm.handle)
}

test('every VM has its own user, namespaces, limits and lock, and no capability', async () => {
  await using site = await createVmmSite()
  const driver = site.driver()
  const vms = [await driver.launch(await site.spec(), never), await driver.launch(await site.spec(), never)]
  for (const vm of vms) await assertConfined(vm.handle)
  for (const vm of vms) await vm.resume()
  for (const vm of vms) await assertConfined(vm.handle)
  for (const vm of vms) await end(driver, vm)
})

test('of two launches of one workspace at the same time exactly one wins, 50 times', { timeout: 300_000 }, async () => {
  await using site = await createVmmSite()
  const drivers = [site.driver(), site.driver()]
  for (let round = 0; round < 50; round += 1) {
    const first = await site.spec()
    const specs = [first, await site.spec({ workspaceId: first.workspaceId })]
    const results = await Promise.allSettled(drivers.map((driver, index) => driver.launch(specs[index] ?? first, never)))
    const won = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
    const lost = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
    assert.equal(won.length, 1, `round ${round}: ${lost.map(String)}`)
    assert.ok(lost.every(isCode('conflict')), String(lost))
    assert.equal((await site.driver().inventory()).length, 1)
    for (const vm of won) await end(site.driver(), vm)
  }
})

test('a VM outlives the kill of its daemon and the next daemon takes it up by the same pid', async () => {
  await using site = await createVmmSite()
  const spec = await site.spec()
  const program = fileURLToPath(new URL('../support/vmm-launch-and-hang.ts', import.meta.url))
  const daemon = spawn(process.execPath, [program, JSON.stringify(spec)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await once(createInterface({ input: daemon.stdout }), 'line')
  const handle = JSON.parse(line) as VmHandle
  daemon.kill('SIGKILL')
  await once(daemon, 'exit')
  const driver = site.driver()
  assert.deepEqual(
    (await driver.inventory()).map(({ pid }) => pid),
    [handle.pid],
  )
  const vm = await driver.attach(handle)
  assert.ok(vm)
  assert.equal(await vm.status(), 'running')
  await assertConfined(vm.handle)
  await end(driver, vm)
})

test('a daemon killed at any moment of a launch leaves one VM at most, and reclaim or kill clears the rest', { timeout: 180_000 }, async () => {
  await using site = await createVmmSite()
  const driver = site.driver()
  const program = fileURLToPath(new URL('../support/vmm-launch-and-hang.ts', import.meta.url))
  for (let round = 0; round < 12; round += 1) {
    const spec = await site.spec()
    const daemon = spawn(process.execPath, [program, JSON.stringify(spec)], { stdio: ['ignore', 'pipe', 'inherit'] })
    await eventually('the launch has begun', async () => (await readdir(spec.runDir)).length > 0)
    await systemClock.sleep(round * 10)
    daemon.kill('SIGKILL')
    await once(daemon, 'exit')
    // What was forked may still become the VM; the lock tells, and a second launch never makes a second one.
    const again = await site.spec({ workspaceId: spec.workspaceId })
    const second = await driver.launch(again, never).catch((error) => error)
    const live = await eventually('the VM is there or never will be', async () => {
      const found = await driver.inventory()
      return found.length > 0 || !(await isLocked(spec.lockPath)) ? found : undefined
    })
    assert.ok(live.length <= 1, JSON.stringify(live))
    if (!('handle' in second)) assert.equal(second.code, 'conflict')
    for (const found of live) await driver.killProcess(found)
    for (const boot of [spec, again])
      await eventually('reclaimed', () =>
        driver.reclaim(handleOf(boot)).then(
          () => true,
          () => false,
        ),
      )
  }
})

test('how a VM ended is told: reset by the guest, killed from outside, killed by us', async () => {
  await using site = await createVmmSite()
  const driver = site.driver()
  const reset = await driver.launch(await site.spec({ guest: 'reset' }), never)
  await reset.resume()
  assert.deepEqual(await reset.exited, { cause: 'reset', detail: 'guest-reset', exitCode: 0, signal: null })
  const shot = await driver.launch(await site.spec(), never)
  process.kill(shot.handle.pid, 'SIGKILL')
  assert.deepEqual(await shot.exited, { cause: 'killed', detail: 'killed by SIGKILL', exitCode: null, signal: 'SIGKILL' })
  const asked = await driver.launch(await site.spec(), never)
  process.kill(asked.handle.pid, 'SIGTERM')
  assert.deepEqual(await asked.exited, { cause: 'killed', detail: 'host-signal', exitCode: 0, signal: 'SIGTERM' })
  for (const vm of [reset, shot, asked]) await driver.reclaim(vm.handle)
})

test('a monitor held by a client that hangs does not keep the next daemon out', async () => {
  await using site = await createVmmSite()
  const driver = site.driver()
  const vm = await driver.launch(await site.spec(), never)
  vm.release()
  const [first = ''] = vmPaths(vm.handle.runDir).monitors
  const holder = createConnection(first)
  await once(holder, 'data')
  const again = await site.driver().attach(vm.handle)
  assert.equal(await again?.status(), 'prelaunch')
  holder.destroy()
  await end(driver, again ?? vm)
})

test('the largest VM and the most CPUs of the contract start on a host that has neither', async () => {
  await using site = await createVmmSite()
  const driver = site.driver()
  for (const size of [{ memoryMib: 65_536 }, { cpus: 32 }, { memoryMib: 65_536, cpus: 32 }]) {
    const vm = await driver.launch(await site.spec(size), never)
    assert.equal(await vm.status(), 'prelaunch')
    await vm.resume()
    assert.equal(await vm.status(), 'running')
    await assertConfined(vm.handle)
    await end(driver, vm)
  }
})

test('what cannot start is refused by a typed error and leaves nothing', async () => {
  await using site = await createVmmSite()
  const driver = site.driver()
  const refused = async (spec: Parameters<VmmDriver['launch']>[0], cause: RegExp, by = driver) => {
    await assert.rejects(by.launch(spec, never), isCode('VM_UNAVAILABLE', cause))
    assert.deepEqual(await readdir(spec.runDir), [])
  }
  const absent = await site.spec()
  await refused(absent, /ENOENT/, site.driver({ qemuPath: '/nonexistent/qemu' }))
  const broken = join(site.root, 'broken')
  await writeFile(broken, 'not a kernel', { mode: 0o644 })
  await refused(await site.spec({ kernelPath: broken }), /exit code 1: .*kernel/)
  await refused(await site.spec({ imagePath: join(site.root, 'no-such-image') }), /exit code 2: .*no-such-image/)
  await refused(await site.spec({ diskPath: join(site.root, 'no-such-disk') }), /ENOENT/)
  // Another workspace's VM uses the disk: QEMU's own lock is the last line of defence.
  const vm = await driver.launch(await site.spec(), never)
  const { diskPath } = await site.spec({ workspaceId: vm.handle.workspaceId })
  const thief = await site.spec({ diskPath, uid: vm.handle.uid })
  await refused(thief, /Failed to get "write" lock/)
  await end(driver, vm)
})

test('a launch aborted at any moment leaves nothing', { timeout: 180_000 }, async () => {
  await using site = await createVmmSite()
  const driver = site.driver()
  for (let round = 0; round < 20; round += 1) {
    const spec = await site.spec()
    const abort = new AbortController()
    const launching = driver.launch(spec, abort.signal)
    launching.catch(() => {})
    await systemClock.sleep(round * 8)
    abort.abort(new Error('changed my mind'))
    const vm = await launching.catch((error) => assert.match(String(error), /changed my mind/))
    // It may have been through already.
    if (vm) await end(driver, vm)
    assert.deepEqual(await readdir(spec.runDir), [])
    assert.equal(await isLocked(spec.lockPath), false)
    assert.deepEqual(await driver.inventory(), [])
  }
})

test('a launch that fails at any of its steps leaves nothing, and each step may run twice', async () => {
  await using site = await createVmmSite()
  const seen = new Set<string>()
  const listing = site.driver({
    step(name, fn) {
      seen.add(name)
      return fn()
    },
  })
  await end(listing, await listing.launch(await site.spec(), never))
  const launchSteps = ['vmm.files.create', 'vmm.disk.own', 'vmm.cgroup.create', 'vmm.spawn', 'vmm.monitor.connect']
  assert.deepEqual(
    [...seen].filter((name) => !/kill|remove/.test(name)),
    launchSteps,
  )
  for (const name of launchSteps) {
    const spec = await site.spec()
    const failing = site.driver({ step: failpointStep(new Map([[name, 'error']])) })
    await assert.rejects(failing.launch(spec, never), new RegExp(`failpoint: ${name}`))
    assert.deepEqual(await readdir(spec.runDir), [], name)
    assert.deepEqual(await failing.inventory(), [], name)
  }
  for (const name of seen) {
    const repeating = site.driver({ step: failpointStep(new Map([[name, 'twice']])) })
    await end(repeating, await repeating.launch(await site.spec(), never))
  }
})

test('the tap is alone in the namespace of the VM, can be moved out while QEMU holds it, and ends with QEMU unless moved', async () => {
  await using site = await createVmmSite()
  const driver = site.driver()
  const netns = `alcove-test-${site.installId}`
  await run(['ip', 'netns', 'add', netns])
  try {
    const vm = await driver.launch(await site.spec(), never)
    const links = async (where: readonly [string, ...string[]]) => JSON.parse(await run([...where, 'ip', '-j', 'link'])) as { ifname: string }[]
    const inside = ['nsenter', `--net=/proc/${vm.handle.pid}/ns/net`] as const
    assert.deepEqual(
      (await links(inside)).map(({ ifname }) => ifname),
      ['lo', 'tap0'],
    )
    await run([...inside, 'ip', 'link', 'set', 'tap0', 'netns', netns])
    assert.deepEqual(
      (await links(inside)).map(({ ifname }) => ifname),
      ['lo'],
    )
    await run(['ip', '-n', netns, 'link', 'set', 'tap0', 'up'])
    const [tap] = JSON.parse(await run(['ip', '-n', netns, '-j', 'link', 'show', 'tap0'])) as { flags: string[] }[]
    assert.ok(tap?.flags.includes('LOWER_UP'), 'QEMU is still attached')
    await vm.resume()
    assert.equal(await vm.status(), 'running')
    await end(driver, vm)
  } finally {
    await run(['ip', 'netns', 'del', netns])
  }
})

test('limits are joined below a pure version 2 hierarchy, and a host without any is served', async () => {
  await using site = await createVmmSite()
  const roots = { '/sys/fs/cgroup/unified': 1, [join(site.root, 'nothing')]: 0 }
  for (const [cgroupRoot, groups] of Object.entries(roots)) {
    // A host without the unified hierarchy beside version 1 has it at the root, where all other tests use it.
    if (groups === 1 && (await runAny(['test', '-e', `${cgroupRoot}/cgroup.controllers`])).exitCode !== 0) continue
    const driver = site.driver({ cgroupRoot })
    const vm = await driver.launch(await site.spec(), never)
    assert.equal(vm.handle.cgroups.length, groups)
    for (const group of vm.handle.cgroups) assert.match(await run(['cat', `${group}/cgroup.procs`]), new RegExp(`^${vm.handle.pid}$`, 'm'))
    await end(driver, vm)
    for (const group of vm.handle.cgroups) await assert.rejects(readdir(group), /ENOENT/)
  }
})

test('files of an interrupted launch do not keep the same boot from starting', async () => {
  await using site = await createVmmSite()
  const driver = site.driver()
  const spec = await site.spec()
  await end(driver, await driver.launch(spec, never))
  await run(['mkdir', '-p', join(spec.runDir, 'vm')])
  for (const name of ['qmp.sock', 'console.fifo']) await writeFile(join(spec.runDir, 'vm', name), 'stale')
  await end(driver, await driver.launch(spec, never))
  await rm(spec.runDir, { recursive: true })
  await driver.reclaim(handleOf(spec))
})
