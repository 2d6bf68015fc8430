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
    assert.deepEqual(await runner.inventory(), [spec.workspaceId])
    assert.equal((await runner.read(spec.workspaceId))?.info.bootId, spec.bootId)
    assert.deepEqual(await runner.checkHealth(), [{ ...vmOf(spec), state: 'ok' }])
    await runner.shutdown(spec, 1000)
    assert.deepEqual(await runner.processes(), [])
    assert.equal(await runner.read(spec.workspaceId), undefined)
    assert.deepEqual(await runner.checkHealth(), [])
    assert.deepEqual(await runner.adopt([vmOf(spec)]), [{ ...vmOf(spec), state: 'gone' }])
    await runner.destroy(spec)
    assert.deepEqual(await runner.inventory(), [])
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
    assert.deepEqual(await runner.inventory(), [])
  })

  promise('a VM outlives its runner and is taken up by the next one, another boot of it is not', async (fixture, runner) => {
    const spec = fixture.spec()
    await runner.boot(spec, never)
    runner.close()
    const next = fixture.runner()
    const other = { workspaceId: spec.workspaceId, bootId: fixture.spec().bootId }
    assert.deepEqual(await next.adopt([other]), [{ ...other, state: 'gone' }])
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
    assert.deepEqual([ends.length, ends[0]?.bootId, ends[0]?.failure], [1, crashed.bootId, 'vm_exited'])
    assert.equal((await runner.adopt([vmOf(crashed)]))[0]?.state, 'gone')
    for (const spec of [crashed, asked]) await runner.destroy(spec)
    assert.equal(ends.length, 1)
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
