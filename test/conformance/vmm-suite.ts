/** What every VMM driver promises. The drivers' own test files call it. */
import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import test from 'node:test'
import { AlcoveError } from '../../packages/server/src/lib/fail.ts'
import type { LaunchSpec, Vm, VmmDriver } from '../../packages/server/src/vmm/driver.ts'

/** A place where one kind of driver works. */
export interface VmmFixture extends AsyncDisposable {
  /** A driver of the same install, as a restarted daemon would make one. */
  driver(): VmmDriver
  /** A spec with existing files and directories; the same workspace again gives its next boot. */
  spec(options?: { readonly workspaceId?: string }): Promise<LaunchSpec>
  /** Makes the VM stop answering while it lives. */
  wedge(vm: Vm): void
  /** Ends the VM without asking the driver. */
  crash(vm: Vm): void
}

const never = new AbortController().signal
const isCode = (code: string) => (error: unknown) => error instanceof AlcoveError && error.code === code

/** Runs the suite. */
export function vmmConformance(name: string, createFixture: () => Promise<VmmFixture>): void {
  const promise = (text: string, body: (fixture: VmmFixture, driver: VmmDriver) => Promise<void>) =>
    test(`${name}: ${text}`, { timeout: 120_000 }, async () => {
      await using fixture = await createFixture()
      await body(fixture, fixture.driver())
    })

  promise('a launched VM waits, runs when resumed, and is gone when killed', async (fixture, driver) => {
    const spec = await fixture.spec()
    const vm = await driver.launch(spec, never)
    assert.equal(await vm.status(), 'prelaunch')
    await vm.resume()
    assert.equal(await vm.status(), 'running')
    await vm.resume()
    assert.ok((await vm.cpuTimeNs()) >= 0)
    await vm.kill()
    assert.equal((await vm.exited).cause, 'killed')
    await vm.kill()
    await assert.rejects(vm.status(), isCode('VM_UNAVAILABLE'))
    await assert.rejects(vm.cpuTimeNs(), isCode('vm_not_running'))
    await driver.reclaim(vm.handle)
  })

  promise('a VM stands when paused, for every driver, and runs again when resumed; both may be repeated', async (fixture, driver) => {
    const vm = await driver.launch(await fixture.spec(), never)
    await vm.resume()
    for (let time = 0; time < 2; time += 1) await vm.pause()
    assert.equal(await vm.status(), 'paused')
    vm.release()
    const again = await fixture.driver().attach(vm.handle)
    assert.ok(again)
    assert.equal(await again.status(), 'paused')
    for (let time = 0; time < 2; time += 1) await again.resume()
    assert.equal(await again.status(), 'running')
    await again.pause()
    await end(driver, again)
    await assert.rejects(again.pause(), isCode('VM_UNAVAILABLE'))
  })

  promise('a lost handle is made anew from the VM, while it lives', async (fixture, driver) => {
    const vm = await driver.launch(await fixture.spec(), never)
    const { workspaceId, bootId, runDir, lockPath } = vm.handle
    const known = { workspaceId, bootId, runDir, lockPath }
    assert.deepEqual(await fixture.driver().findHandle(known), vm.handle)
    assert.equal(await driver.findHandle({ ...known, bootId: 'boot_other' }), undefined)
    assert.equal(await driver.findHandle({ ...known, workspaceId: 'ws_other' }), undefined)
    await end(driver, vm)
    assert.equal(await driver.findHandle(known), undefined)
  })

  promise('how a VM ended can be told later, and of another boot of the host nothing is concluded', async (fixture, driver) => {
    const vm = await driver.launch(await fixture.spec(), never)
    vm.release()
    fixture.crash(vm)
    const { handle } = vm
    const exit = await fixture.driver().exitOf(handle)
    assert.deepEqual([exit.cause, exit.signal, exit.exitCode], ['killed', 'SIGKILL', null])
    assert.equal((await driver.exitOf({ ...handle, hostBootId: 'another' })).cause, 'host_reboot')
    assert.equal((await driver.exitOf({ ...handle, hostBootId: undefined })).cause, 'killed')
    await driver.reclaim(handle)
    assert.equal((await driver.exitOf(handle)).cause, 'lost')
  })

  promise('the handle is JSON and names the boot', async (fixture, driver) => {
    const spec = await fixture.spec()
    const vm = await driver.launch(spec, never)
    const { workspaceId, bootId, installId, uid, runDir, lockPath } = spec
    const { handle } = vm
    assert.deepEqual(JSON.parse(JSON.stringify(handle)), handle)
    assert.deepEqual({ ...handle, version: 1 }, { ...handle, version: 1, workspaceId, bootId, installId, uid, runDir, lockPath })
    await end(driver, vm)
  })

  promise('a workspace has one VM at most', async (fixture, driver) => {
    const spec = await fixture.spec()
    const vm = await driver.launch(spec, never)
    const next = await fixture.spec({ workspaceId: spec.workspaceId })
    await assert.rejects(fixture.driver().launch(next, never), isCode('conflict'))
    assert.deepEqual(await readdir(next.runDir), [])
    // Not even by the same boot again, which must not harm the one that lives.
    await assert.rejects(driver.launch(spec, never), isCode('conflict'))
    assert.equal(await vm.status(), 'prelaunch')
    assert.equal((await driver.inventory()).length, 1)
    await end(driver, vm)
    const second = await driver.launch(next, never)
    await end(driver, second)
  })

  promise('a VM survives its driver and is taken up by the next', async (fixture, driver) => {
    const vm = await driver.launch(await fixture.spec(), never)
    await vm.resume()
    vm.release()
    const again = await fixture.driver().attach(JSON.parse(JSON.stringify(vm.handle)))
    assert.ok(again)
    assert.deepEqual(again.handle, vm.handle)
    assert.equal(await again.status(), 'running')
    await again.kill()
    assert.equal((await again.exited).cause, 'killed')
    assert.equal(await driver.attach(vm.handle), undefined)
    await driver.reclaim(vm.handle)
  })

  promise('a handle that proves nothing is not taken up, and nothing is signalled', async (fixture, driver) => {
    const vm = await driver.launch(await fixture.spec(), never)
    const { handle } = vm
    const other = fixture.driver()
    for (const wrong of [{ hostBootId: 'another' }, { startTicks: handle.startTicks + 1 }, { bootId: 'boot_other' }, { pid: 4_194_305 }]) {
      assert.equal(await other.attach({ ...handle, ...wrong }), undefined, JSON.stringify(wrong))
    }
    await other.killProcess({ ...handle, startTicks: handle.startTicks + 1 })
    await other.killProcess({ ...handle, bootId: 'boot_other' })
    assert.equal(await vm.status(), 'prelaunch')
    await end(driver, vm)
  })

  promise('the end of a VM is seen within 2 s by its launcher and by who took it up', async (fixture, driver) => {
    for (const isAdopted of [false, true]) {
      const launched = await driver.launch(await fixture.spec(), never)
      if (isAdopted) launched.release()
      const vm = isAdopted ? await fixture.driver().attach(launched.handle) : launched
      assert.ok(vm)
      await vm.resume()
      const exited = vm.exited.then((exit) => ({ exit, at: performance.now() }))
      const crashedAt = performance.now()
      fixture.crash(vm)
      const { exit, at } = await exited
      assert.ok(at - crashedAt < 2000, `seen after ${Math.round(at - crashedAt)} ms`)
      assert.deepEqual([exit.cause, exit.signal], ['killed', 'SIGKILL'])
      await driver.reclaim(vm.handle)
    }
  })

  promise('a wedged VM is reported in bounded time, can be taken up and can be killed', async (fixture, driver) => {
    const vm = await driver.launch(await fixture.spec(), never)
    fixture.wedge(vm)
    const startedAt = performance.now()
    await assert.rejects(vm.status(), isCode('VM_UNAVAILABLE'))
    vm.release()
    const again = await fixture.driver().attach(vm.handle)
    assert.ok(again)
    await assert.rejects(again.status(), isCode('VM_UNAVAILABLE'))
    assert.ok(performance.now() - startedAt < 15_000)
    await end(driver, again)
  })

  promise('the inventory names every VM of the install, and each can be ended by it', async (fixture, driver) => {
    const vms = await Promise.all([driver.launch(await fixture.spec(), never), driver.launch(await fixture.spec(), never)])
    for (const vm of vms) vm.release()
    const other = fixture.driver()
    const found = await other.inventory()
    const ids = (items: readonly { readonly bootId: string }[]) => items.map(({ bootId }) => bootId).sort()
    assert.deepEqual(ids(found), ids(vms.map(({ handle }) => handle)))
    for (const one of found) await other.killProcess(one)
    for (const one of found) await other.killProcess(one)
    assert.deepEqual(await other.inventory(), [])
    for (const vm of vms) await other.reclaim(vm.handle)
  })

  promise('reclaim refuses while the VM lives, then removes all and may be repeated', async (fixture, driver) => {
    const vm = await driver.launch(await fixture.spec(), never)
    await assert.rejects(driver.reclaim(vm.handle), isCode('conflict'))
    assert.equal(await vm.status(), 'prelaunch')
    await vm.kill()
    for (let time = 0; time < 2; time += 1) await driver.reclaim({ ...vm.handle, cgroups: [] })
    assert.deepEqual(await readdir(vm.handle.runDir), [])
  })

  promise('a launch that is aborted leaves nothing', async (fixture, driver) => {
    const before = new AbortController()
    before.abort(new Error('too late'))
    const spec = await fixture.spec()
    await assert.rejects(driver.launch(spec, before.signal), /too late/)
    assert.deepEqual(await readdir(spec.runDir), [])
    assert.deepEqual(await driver.inventory(), [])
    // The workspace is as free as before.
    await end(driver, await driver.launch(spec, never))
  })
}

async function end(driver: VmmDriver, vm: Vm): Promise<void> {
  await vm.kill()
  await vm.exited
  await driver.reclaim(vm.handle)
}
