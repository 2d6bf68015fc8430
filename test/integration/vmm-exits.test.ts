/** How the end of a VM is seen and named, whoever watches: the daemon that launched it, one that took it up, or nobody. */
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'node:test'
import type { Vm, VmExit, VmmDriver } from '../../packages/server/src/vmm/driver.ts'
import { vmPaths } from '../../packages/server/src/vmm/qemu/files.ts'
import { findProcess, listSession } from '../../packages/server/src/vmm/qemu/proc.ts'
import { crashByIll, crashBySegv } from '../support/crash-process.ts'
import { createVmmSite, eventually, type VmmSite } from '../support/vmm.ts'

const never = new AbortController().signal

/** Who watches: `child` and `adopted` a daemon that lives, `unseen` one that comes after the end. */
type Watcher = 'child' | 'adopted' | 'unseen'

/** Ends a running VM under a watcher, and returns what it is told, and after how long, ms. */
async function endAs(site: VmmSite, by: Watcher, end: (vm: Vm, driver: VmmDriver) => unknown, guest: 'halt' | 'reset' = 'halt') {
  const launched = await site.driver().launch(await site.spec({ guest }), never)
  const driver = site.driver()
  if (by !== 'child') launched.release()
  if (guest === 'reset' && by === 'unseen') await (await driver.attach(launched.handle))?.resume()
  const vm = by === 'adopted' ? await driver.attach(launched.handle) : launched
  assert.ok(vm)
  if (by !== 'unseen') await vm.resume()
  await end(vm, driver)
  const endedAt = performance.now()
  if (by === 'unseen') await eventually('the VM is gone', async () => (await driver.attach(vm.handle)) === undefined)
  const exit = by === 'unseen' ? await driver.exitOf(vm.handle) : await vm.exited
  const ms = performance.now() - endedAt
  await driver.reclaim(vm.handle)
  return { exit, ms }
}

const ways = {
  SIGKILL: { expected: ['killed', 'SIGKILL', null], end: (pid: number) => process.kill(pid, 'SIGKILL') },
  SIGTERM: { expected: ['killed', 'SIGTERM', 0], end: (pid: number) => process.kill(pid, 'SIGTERM') },
  SIGSEGV: { expected: ['crashed', 'SIGSEGV', null], end: crashBySegv },
  SIGILL: { expected: ['crashed', 'SIGILL', null], end: crashByIll },
} as const

for (const by of ['child', 'adopted', 'unseen'] as const) {
  test(`the signal that ended a VMM is told (${by}), within 2 s`, { timeout: 60_000 }, async () => {
    await using site = await createVmmSite()
    for (const [signal, { expected, end }] of Object.entries(ways)) {
      const { exit, ms } = await endAs(site, by, (vm) => end(vm.handle.pid))
      assert.deepEqual([exit.cause, exit.signal, exit.exitCode], expected, `${signal}: ${exit.detail}`)
      assert.ok(ms < 2000, `${signal} was seen after ${Math.round(ms)} ms`)
    }
  })

  test(`a guest that resets itself is told apart from a VMM that died (${by})`, { timeout: 60_000 }, async () => {
    await using site = await createVmmSite()
    const { exit } = await endAs(site, by, () => undefined, 'reset')
    assert.deepEqual([exit.cause, exit.exitCode, exit.signal], ['reset', 0, null])
  })

  test(`a VMM killed for want of memory is told (${by}), its neighbour lives on`, { timeout: 60_000 }, async () => {
    await using site = await createVmmSite()
    const driver = site.driver()
    const neighbour = await driver.launch(await site.spec(), never)
    await neighbour.resume()
    const vm = await driver.launch(await site.spec({ guest: 'fill' }), never)
    await limitMemory(vm, 96)
    if (by !== 'child') vm.release()
    const watched = by === 'child' ? vm : await site.driver().attach(vm.handle)
    assert.ok(watched)
    await watched.resume()
    if (by === 'unseen') watched.release()
    if (by === 'unseen') await eventually('the VM is gone', async () => (await driver.attach(vm.handle)) === undefined)
    const exit: VmExit = by === 'unseen' ? await driver.exitOf(vm.handle) : await watched.exited
    assert.deepEqual([exit.cause, exit.signal], ['oom', 'SIGKILL'])
    assert.equal(await neighbour.status(), 'running')
    await driver.reclaim(vm.handle)
    await neighbour.kill()
    await driver.reclaim(neighbour.handle)
  })
}

test('a guest that touches all its memory lives, within the limit of its group', { timeout: 60_000 }, async (t) => {
  await using site = await createVmmSite()
  const driver = site.driver()
  const spec = await site.spec({ guest: 'fill', memoryMib: 128 })
  const vm = await driver.launch(spec, never)
  await vm.resume()
  await eventually('the guest has written everywhere', async () => (await readFile(join(spec.logDir, 'console.log'), 'utf8').catch(() => '')).includes('full'))
  assert.equal(await vm.status(), 'running')
  for (const group of vm.handle.cgroups) {
    const peak = Number(await readFile(join(group, 'memory.max_usage_in_bytes'), 'utf8').catch(() => 'NaN'))
    if (!Number.isNaN(peak)) t.diagnostic(`128 MiB of guest took ${Math.round(peak / 1024 ** 2)} MiB at most`)
  }
  await vm.kill()
  await driver.reclaim(vm.handle)
})

test('the death of a whole session leaves nobody who saw it: the VM is lost, and that is told', async () => {
  await using site = await createVmmSite()
  for (const by of ['child', 'adopted', 'unseen'] as const) {
    const { exit, ms } = await endAs(site, by, async ({ handle }) => {
      const { session } = (await findProcess(handle.pid)) ?? assert.fail()
      // The launcher first: it must not see the end of its QEMU.
      for (const { pid } of (await listSession(session)).toSorted((a, b) => a.pid - b.pid)) process.kill(pid, 'SIGKILL')
    })
    assert.deepEqual([exit.cause, exit.exitCode, exit.signal], ['lost', null, null], by)
    assert.ok(ms < 4000)
  }
})

test('a polite signal to the whole session is told as such: the launcher outlives it as a witness', async () => {
  await using site = await createVmmSite()
  const { exit } = await endAs(site, 'unseen', async ({ handle }) => {
    const { session } = (await findProcess(handle.pid)) ?? assert.fail()
    process.kill(-session, 'SIGTERM')
  })
  assert.deepEqual([exit.cause, exit.signal], ['killed', 'SIGTERM'])
})

test('a zombie whose parent does not reap it is dead within 2 s, and its parent with it', async () => {
  await using site = await createVmmSite()
  for (const by of ['child', 'adopted'] as const) {
    const { exit, ms } = await endAs(site, by, async ({ handle }) => {
      const { ppid } = (await findProcess(handle.pid)) ?? assert.fail()
      process.kill(ppid, 'SIGSTOP')
      process.kill(handle.pid, 'SIGKILL')
      await eventually('QEMU is a zombie', async () => / Z /.test(await readFile(`/proc/${handle.pid}/stat`, 'utf8')))
    })
    assert.equal(exit.cause, 'lost')
    assert.ok(ms < 2000, `seen after ${Math.round(ms)} ms`)
  }
})

test('a note that is torn, empty or not one is as good as none', async () => {
  await using site = await createVmmSite()
  const driver = site.driver()
  const vm = await driver.launch(await site.spec(), never)
  vm.release()
  await vm.kill()
  for (const text of ['', '13', '137', 'abc\n', '9999\n', '-1\n', '0\n0\n']) {
    await writeFile(vmPaths(vm.handle.runDir).exit, text)
    assert.equal((await driver.exitOf(vm.handle)).cause, 'lost', JSON.stringify(text))
  }
  await driver.reclaim(vm.handle)
})

/** Lowers the limit of a VM that waits, MiB. */
async function limitMemory(vm: Vm, limitMib: number): Promise<void> {
  let isSet = false
  for (const group of vm.handle.cgroups) {
    for (const file of ['memory.limit_in_bytes', 'memory.max']) {
      const path = join(group, file)
      if ((await readFile(path, 'utf8').catch(() => undefined)) === undefined) continue
      await writeFile(path, String(limitMib * 1024 * 1024))
      isSet = true
    }
  }
  assert.ok(isSet, 'the host limits memory')
}
