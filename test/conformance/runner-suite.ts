/** What every runner promises. The test files of the runners call it. */
import assert from 'node:assert/strict'
import test from 'node:test'
import type { BootSpec, FoundVm, Runner, VmEnd } from '../../packages/server/src/runner/runner.ts'
import { eventually } from '../support/vmm.ts'

/** A host on which one kind of runner works. */
export interface RunnerFixture extends AsyncDisposable {
  /** A runner of this host, as a restarted daemon would make one. */
  runner(): Runner
  /** A spec of a new workspace. */
  spec(more?: Partial<BootSpec>): BootSpec
  /** Ends a VM without asking the runner. */
  crash(spec: BootSpec): void
}

const never = new AbortController().signal
const vmOf = ({ workspaceId, bootId }: BootSpec): FoundVm => ({ workspaceId, bootId })

/** Runs the suite. */
export function runnerConformance(name: string, createFixture: () => Promise<RunnerFixture>): void {
  const promise = (text: string, body: (fixture: RunnerFixture, runner: Runner) => Promise<void>) =>
    test(`${name}: ${text}`, { timeout: 60_000 }, async () => {
      await using fixture = await createFixture()
      await body(fixture, fixture.runner())
    })

  promise('a booted VM is there, can be read, and is gone when it was shut down; a destroy leaves nothing', async (fixture, runner) => {
    const spec = fixture.spec()
    const booted = await runner.boot(spec, never)
    assert.deepEqual([booted.workspaceId, booted.bootId], [spec.workspaceId, spec.bootId])
    assert.ok(Object.values(booted.timings).every((ms) => ms >= 0))
    assert.deepEqual(await runner.processes().then(found), [vmOf(spec)])
    assert.deepEqual((await runner.inventory()).workspaces, [spec.workspaceId])
    assert.equal((await runner.read(spec.workspaceId))?.info.bootId, spec.bootId)
    assert.deepEqual(await runner.checkHealth(), [{ ...vmOf(spec), state: 'ok' }])
    await runner.shutdown(spec, 1000)
    assert.deepEqual(await runner.processes(), [])
    assert.equal(await runner.read(spec.workspaceId), undefined)
    assert.deepEqual(await runner.checkHealth(), [])
    const [gone] = await runner.adopt([vmOf(spec)])
    assert.deepEqual([gone?.bootId, gone?.state], [spec.bootId, 'gone'])
    await runner.destroy(spec)
    assert.deepEqual((await runner.inventory()).workspaces, [])
  })

  promise('a workspace has one VM at most: a second boot is refused and harms nothing', async (fixture, runner) => {
    const spec = fixture.spec()
    await runner.boot(spec, never)
    const second = { ...fixture.spec(), workspaceId: spec.workspaceId, slot: spec.slot }
    await assert.rejects(runner.boot(second, never), { code: 'conflict' })
    assert.deepEqual(await runner.processes().then(found), [vmOf(spec)])
    await runner.destroy(spec)
  })

  promise('an aborted boot ends with the reason and leaves no VM', async (fixture, runner) => {
    const spec = fixture.spec()
    const controller = new AbortController()
    const reason = new Error('given up')
    const boot = runner.boot(spec, controller.signal)
    controller.abort(reason)
    await assert.rejects(boot, reason)
    assert.deepEqual(await runner.processes(), [])
    await runner.destroy(spec)
  })

  promise('ending what is not there is no error', async (fixture, runner) => {
    const spec = fixture.spec()
    await runner.shutdown(spec, 1000)
    await runner.destroy({ ...spec, slot: null })
    await runner.updateNetwork({ ...spec, allowInternet: false })
    await runner.verifyNetwork([{ ...spec, allowInternet: false }])
    assert.deepEqual((await runner.inventory()).workspaces, [])
  })

  promise('a VM outlives its runner and is taken up by the next one, another boot of it is not', async (fixture, runner) => {
    const spec = fixture.spec()
    await runner.boot(spec, never)
    runner.close()
    const next = fixture.runner()
    const other = { workspaceId: spec.workspaceId, bootId: fixture.spec().bootId }
    const [otherBoot] = await next.adopt([other])
    // A boot that follows it lives: whoever asks for this one knows too little to end it.
    assert.deepEqual([otherBoot?.bootId, otherBoot?.state], [other.bootId, 'unknown'])
    for (let round = 0; round < 2; round++) assert.deepEqual(await next.adopt([vmOf(spec)]), [{ ...vmOf(spec), state: 'held' }])
    assert.equal((await next.read(spec.workspaceId))?.info.bootId, spec.bootId)
    await next.destroy(spec)
  })

  promise('an end is told once with its reason, one that was asked for is not', async (fixture, runner) => {
    const ends: (FoundVm & VmEnd)[] = []
    runner.onExit((vm, end) => ends.push({ ...vm, ...end }))
    const crashed = fixture.spec()
    const asked = fixture.spec()
    await runner.boot(crashed, never)
    await runner.boot(asked, never)
    await runner.shutdown(asked, 0)
    fixture.crash(crashed)
    await eventually('the end is told', async () => ends.length > 0)
    const [told] = ends
    assert.deepEqual([ends.length, told?.bootId, told?.cause, told?.failure, told?.signal], [1, crashed.bootId, 'vmm_killed', 'vm_exited', 'SIGKILL'])
    assert.notEqual(told?.reason, '')
    assert.equal((await runner.adopt([vmOf(crashed)]))[0]?.state, 'gone')
    for (const spec of [crashed, asked]) await runner.destroy(spec)
    assert.equal(ends.length, 1)
  })

  promise('a frozen VM is told as such, also by the next runner, is not let go on by a check, and goes on when asked to', async (fixture, runner) => {
    const spec = fixture.spec()
    await runner.boot(spec, never)
    for (let time = 0; time < 2; time += 1) await runner.pause(spec.workspaceId, spec.bootId)
    const states = async (by: Runner) => (await by.checkHealth()).map(({ state }) => state)
    for (let check = 0; check < 3; check += 1) assert.deepEqual(await states(runner), ['paused'])
    assert.equal(await runner.read(spec.workspaceId), undefined)
    runner.close()
    const next = fixture.runner()
    assert.equal((await next.adopt([vmOf(spec)]))[0]?.state, 'held')
    assert.deepEqual(await states(next), ['paused'])
    for (let time = 0; time < 2; time += 1) await next.resume(spec.workspaceId, spec.bootId)
    assert.deepEqual(await states(next), ['ok'])
    assert.equal((await next.read(spec.workspaceId))?.info.bootId, spec.bootId)
    await next.pause(spec.workspaceId, spec.bootId)
    await next.destroy(spec)
    assert.deepEqual(await next.processes(), [])
  })

  promise('freezing needs the VM of that very boot, and none that is held already', async (fixture, runner) => {
    const spec = fixture.spec()
    const refused = async (by: Runner, bootId: string) => {
      await assert.rejects(by.pause(spec.workspaceId, bootId), { code: 'vm_not_running' })
      await assert.rejects(by.resume(spec.workspaceId, bootId), { code: 'vm_not_running' })
    }
    await refused(runner, spec.bootId)
    await runner.boot(spec, never)
    await refused(runner, fixture.spec().bootId)
    assert.deepEqual((await runner.checkHealth())[0]?.state, 'ok')
    runner.close()
    const next = fixture.runner()
    await next.pause(spec.workspaceId, spec.bootId)
    assert.deepEqual((await next.checkHealth())[0]?.state, 'paused')
    await next.shutdown(spec, 0)
    await refused(next, spec.bootId)
    await next.destroy(spec)
  })

  promise('each slot has its own address', async (_fixture, runner) => {
    const addresses = [1, 2, 254, 255, 65_535].map((slot) => runner.addressOf(slot))
    assert.equal(new Set(addresses).size, addresses.length)
    for (const address of addresses) assert.match(address, /^10\.\d+\.\d+\.\d+$/)
  })
}

function found(vms: readonly FoundVm[]): FoundVm[] {
  return vms.map(({ workspaceId, bootId }) => ({ workspaceId, bootId }))
}
