/** The logs of a VM: prompt, bounded, and no way to hold up the VM or its monitor. */
import assert from 'node:assert/strict'
import { readdir, readFile, readlink, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'node:test'
import type { Vm, VmmDriver } from '../../packages/server/src/vmm/driver.ts'
import { logFileBytes } from '../../packages/server/src/vmm/qemu/files.ts'
import { findProcess, listSession, readCommandLine } from '../../packages/server/src/vmm/qemu/proc.ts'
import { createVmmSite, eventually } from '../support/vmm.ts'

const never = new AbortController().signal

async function end(driver: VmmDriver, vm: Vm): Promise<void> {
  await vm.kill()
  await vm.exited
  await driver.reclaim(vm.handle)
}

test('a line of the console is in the log at once, and logs of earlier boots stay', async () => {
  await using site = await createVmmSite()
  const driver = site.driver()
  const first = await site.spec({ guest: 'hello' })
  const console = join(first.logDir, 'console.log')
  for (const [boot, expected] of [
    [first, 'hello\n'],
    [await site.spec({ guest: 'hello', workspaceId: first.workspaceId }), 'hello\nhello\n'],
  ] as const) {
    const vm = await driver.launch(boot, never)
    const resumedAt = performance.now()
    await vm.resume()
    await eventually('the line', async () => (await readFile(console, 'utf8')) === expected)
    assert.ok(performance.now() - resumedAt < 2000)
    await end(driver, vm)
  }
  assert.equal(await readFile(console, 'utf8'), 'hello\nhello\n')
  assert.deepEqual((await readdir(first.logDir)).sort(), ['cmd.log', 'console.log'])
  assert.deepEqual([(await stat(console)).uid, (await stat(console)).mode & 0o777], [0, 0o600])
})

test('a console flood stays within the bound, keeps the newest, and the VM stays in hand', { timeout: 120_000 }, async () => {
  await using site = await createVmmSite()
  const driver = site.driver()
  const spec = await site.spec({ guest: 'flood' })
  const console = join(spec.logDir, 'console.log')
  // Nearly full from before, so that two turns are seen in seconds.
  await writeFile(console, Buffer.alloc(logFileBytes - 1000, 'x'))
  const vm = await driver.launch(spec, never)
  await vm.resume()
  const sizes: number[] = []
  await eventually(
    'the old content has left both files',
    async () => {
      for (const name of ['console.log', 'console.log.1']) sizes.push((await stat(join(spec.logDir, name)).catch(() => ({ size: 0 }))).size)
      assert.equal(await vm.status(), 'running')
      return (await readFile(`${console}.1`, 'utf8').catch(() => 'x')).startsWith('x') ? undefined : true
    },
    90_000,
  )
  await end(driver, vm)
  assert.ok(Math.max(...sizes) <= logFileBytes, `${Math.max(...sizes)} bytes`)
  assert.deepEqual((await readdir(spec.logDir)).sort(), ['cmd.log', 'console.log', 'console.log.1'])
  assert.match((await readFile(`${console}.1`, 'utf8')).slice(0, 20), /flood\nflood\n/)
})

test('writers that stand still do not hold up the monitor, and end with the VM', async () => {
  await using site = await createVmmSite()
  const driver = site.driver()
  const vm = await driver.launch(await site.spec({ guest: 'flood' }), never)
  const { session } = (await findProcess(vm.handle.pid)) ?? assert.fail('the VM is gone')
  const writers = (await listSession(session)).filter(({ pid, ppid }) => pid !== vm.handle.pid && ppid !== 1 && pid !== session)
  for (const { pid } of writers) process.kill(pid, 'SIGSTOP')
  assert.ok(writers.length >= 5, 'a writer and its program for each log, one for stderr')
  await vm.resume()
  for (let time = 0; time < 20; time += 1) assert.equal(await vm.status(), 'running')
  for (const { pid } of writers) process.kill(pid, 'SIGCONT')
  await end(driver, vm)
  assert.deepEqual(await listSession(session), [])
})

test('what the guest said last is in the log although the VM ended right after', async () => {
  await using site = await createVmmSite()
  const driver = site.driver()
  for (let round = 0; round < 5; round += 1) {
    const spec = await site.spec({ guest: 'farewell' })
    const vm = await driver.launch(spec, never)
    await vm.resume()
    assert.equal((await vm.exited).cause, 'reset')
    assert.equal(await readFile(join(spec.logDir, 'console.log'), 'utf8'), 'farewell\n')
    await driver.reclaim(vm.handle)
  }
})

test('the writers hold neither the lock nor a file of the VM', async () => {
  await using site = await createVmmSite()
  const driver = site.driver()
  const vm = await driver.launch(await site.spec(), never)
  const { session } = (await findProcess(vm.handle.pid)) ?? assert.fail('the VM is gone')
  for (const { pid } of await listSession(session)) {
    const argv = await readCommandLine(pid)
    if (pid === vm.handle.pid || argv.includes('parent')) continue
    for (const fd of await readdir(`/proc/${pid}/fd`)) {
      const path = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '')
      assert.doesNotMatch(path, /lock$|disk$|images/, `${argv.join(' ')} holds ${path}`)
    }
    assert.match(await readFile(`/proc/${pid}/status`, 'utf8'), /^CapEff:\s+0+$/m)
  }
  await end(driver, vm)
})
