/** What a daemon finds when it comes back: damaged records, VMs that ended meanwhile, another boot of the host, frozen VMs. */
import assert from 'node:assert/strict'
import { readFile, rm, truncate, writeFile } from 'node:fs/promises'
import test from 'node:test'
import { plainStep } from '../../packages/server/src/lib/step.ts'
import { workspacePaths } from '../../packages/server/src/runner/paths.ts'
import type { BootSpec } from '../../packages/server/src/runner/runner.ts'
import { createRunnerSite, type RunnerSite } from '../support/runner-site.ts'
import { eventually } from '../support/vmm.ts'

const never = new AbortController().signal
const vmOf = ({ workspaceId, bootId }: BootSpec) => ({ workspaceId, bootId })

/** A VM whose daemon is gone. */
async function leave(site: RunnerSite, spec = site.spec()): Promise<BootSpec> {
  const runner = site.runner()
  await runner.boot(spec, never)
  runner.close()
  return spec
}

const damages: Record<string, (path: string) => Promise<unknown>> = {
  empty: (path) => writeFile(path, ''),
  truncated: (path) => truncate(path, 100),
  'not JSON': (path) => writeFile(path, '\0\0\0'),
  'of a newer version': async (path) => writeFile(path, (await readFile(path, 'utf8')).replace('"version":1', '"version":2')),
  'of another boot': async (path) => writeFile(path, (await readFile(path, 'utf8')).replaceAll(/boot_\w+/g, 'boot_old')),
  'without its VM': async (path) => writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), handle: null })),
  'of another boot of the host': async (path) => writeFile(path, (await readFile(path, 'utf8')).replace('fake-host-boot', 'another')),
  missing: (path) => rm(path),
}

for (const [name, damage] of Object.entries(damages)) {
  test(`a VM whose record is ${name} is taken up by its process, same pid and boot, and its record is written anew`, async () => {
    await using site = await createRunnerSite()
    const [hurt, healthy] = [await leave(site), await leave(site)]
    const before = await site.vms.inventory()
    const { record } = workspacePaths(site.dataDir, hurt.workspaceId)
    const original = await readFile(record, 'utf8')
    await damage(record)
    const runner = site.runner()
    const states = await runner.adopt([vmOf(hurt), vmOf(healthy)])
    assert.deepEqual(
      states.map(({ state }) => state),
      ['held', 'held'],
    )
    assert.deepEqual(await site.vms.inventory(), before)
    assert.deepEqual(JSON.parse(await readFile(record, 'utf8')), JSON.parse(original))
    assert.equal((await runner.read(hurt.workspaceId))?.info.bootId, hurt.bootId)
    for (const spec of [hurt, healthy]) await runner.destroy(spec)
    assert.deepEqual(await site.census(true), [])
  })
}

test('a record that cannot be written anew does not keep its VM from being taken up', async () => {
  await using site = await createRunnerSite()
  const spec = await leave(site)
  await writeFile(workspacePaths(site.dataDir, spec.workspaceId).record, '')
  const runner = site.runner((name, fn) => (name === 'adopt.record' ? Promise.reject(new Error('no room')) : fn()))
  assert.equal((await runner.adopt([vmOf(spec)]))[0]?.state, 'held')
  await runner.destroy(spec)
})

test('of a VM that ended while no daemon ran it is told how, also with a damaged record', async () => {
  await using site = await createRunnerSite()
  for (const damage of [undefined, damages.empty]) {
    const spec = await leave(site)
    site.vms.end(spec.bootId, { cause: 'oom', detail: 'out of memory', exitCode: null, signal: 'SIGKILL' })
    await damage?.(workspacePaths(site.dataDir, spec.workspaceId).record)
    const runner = site.runner()
    const [gone] = await runner.adopt([vmOf(spec)])
    assert.ok(gone?.state === 'gone')
    assert.deepEqual([gone.end.cause, gone.end.failure, gone.end.signal], ['oom', 'vm_oom', 'SIGKILL'])
    await runner.destroy(spec)
  }
  assert.deepEqual(await site.census(true), [])
})

test('after a restart of the host every VM is gone for that reason, and boots again beside what the last boot left', async () => {
  await using site = await createRunnerSite()
  const spec = await leave(site)
  const { record } = workspacePaths(site.dataDir, spec.workspaceId)
  site.vms.end(spec.bootId, { cause: 'lost', detail: 'power cut', exitCode: null, signal: null })
  await writeFile(record, (await readFile(record, 'utf8')).replace('fake-host-boot', 'the-boot-before'))
  const runner = site.runner()
  const [gone] = await runner.adopt([vmOf(spec)])
  assert.ok(gone?.state === 'gone')
  assert.deepEqual([gone.end.cause, gone.end.failure], ['host_reboot', 'host_reboot'])
  // Directory, tap and record of the old boot are still there.
  const again = { ...spec, bootId: site.spec().bootId }
  await runner.boot(again, never)
  assert.equal((await runner.read(spec.workspaceId))?.info.bootId, again.bootId)
  await runner.destroy(again)
  assert.deepEqual(await site.census(true), [])
})

test('a host that cannot list its processes proves nothing gone', async () => {
  await using site = await createRunnerSite()
  const spec = await leave(site)
  await writeFile(workspacePaths(site.dataDir, spec.workspaceId).record, '')
  const broken = site.runner(plainStep, {
    vmm: { ...site.vms, findHandle: () => Promise.reject(new Error('cannot read /proc')), inventory: () => Promise.reject(new Error('cannot read /proc')) },
  })
  assert.equal((await broken.adopt([vmOf(spec)]))[0]?.state, 'unknown')
  await site.runner().destroy(spec)
})

test('one VM is taken up once, however many ask for it', async () => {
  await using site = await createRunnerSite()
  const spec = await leave(site)
  const runner = site.runner()
  const ends: string[] = []
  runner.onExit((_vm, { cause }) => ends.push(cause))
  await Promise.all([runner.adopt([vmOf(spec)]), runner.pause(spec.workspaceId, spec.bootId), runner.adopt([vmOf(spec)])])
  assert.deepEqual(await runner.checkHealth(), [{ ...vmOf(spec), state: 'paused' }])
  site.crash(spec.bootId)
  await eventually('the end is told', async () => ends.length > 0)
  assert.deepEqual(ends, ['vmm_killed'])
  await runner.destroy(spec)
})

test('a VM that stands for want of room on the host is let go on, one that is frozen is not, and a wedged one is unresponsive', async () => {
  await using site = await createRunnerSite()
  const spec = site.spec()
  const runner = site.runner()
  await runner.boot(spec, never)
  const health = async () => (await runner.checkHealth())[0]?.state
  site.vms.setStatus(spec.bootId, 'io-error')
  assert.equal(await health(), 'host_disk')
  assert.equal(await health(), 'ok')
  await runner.pause(spec.workspaceId, spec.bootId)
  assert.equal(await health(), 'paused')
  site.vms.wedge(spec.bootId)
  assert.equal(await health(), 'ok', 'one answer may be late')
  assert.equal(await health(), 'unresponsive')
  await assert.rejects(runner.pause(spec.workspaceId, spec.bootId), { code: 'VM_UNAVAILABLE' })
  await runner.destroy(spec)
  assert.deepEqual(await site.census(true), [])
})

test('a guest that goes on is told the time; one that does not take it goes on all the same', async () => {
  await using site = await createRunnerSite()
  const [spec, silent] = [site.spec(), site.spec()]
  const runner = site.runner()
  await runner.boot(spec, never)
  await runner.pause(spec.workspaceId, spec.bootId)
  assert.equal(site.guestTime(spec.bootId), undefined)
  const before = Date.now()
  await runner.resume(spec.workspaceId, spec.bootId)
  const told = await eventually('the guest is told the time', async () => site.guestTime(spec.bootId))
  assert.ok(told >= before && told <= Date.now())
  await runner.boot(silent, never)
  await runner.pause(silent.workspaceId, silent.bootId)
  await site.endAgent(silent.bootId)
  await runner.resume(silent.workspaceId, silent.bootId)
  for (const one of [spec, silent]) await runner.destroy(one)
  assert.deepEqual(await site.census(true), [])
})

test('a frozen VM is let go on to shut down in order', async () => {
  await using site = await createRunnerSite()
  const spec = site.spec()
  const runner = site.runner()
  await runner.boot(spec, never)
  await runner.pause(spec.workspaceId, spec.bootId)
  const seen: string[] = []
  const next = site.runner((name, fn) => {
    seen.push(name)
    return fn()
  })
  runner.close()
  await next.shutdown(spec, 2000)
  assert.ok(seen.includes('vmm.resume'))
  await next.destroy(spec)
})
