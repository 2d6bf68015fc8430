/** The choice of the accelerator, with the real guest kernel. */
import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'node:test'
import { AlcoveError } from '../../packages/server/src/lib/fail.ts'
import { readArtifacts } from '../support/artifacts.ts'
import { createVmmSite, eventually } from '../support/vmm.ts'

test('KVM is chosen only if a guest reached user space under it, and the answer is kept for this boot of the host', { timeout: 60_000 }, async () => {
  await using site = await createVmmSite()
  const { kernel, initrd } = await readArtifacts()
  const kvm = { bootFiles: async () => ({ kernelPath: kernel, initrdPath: initrd }), cachePath: join(site.root, 'kvm.json') }
  const steps: string[] = []
  const driver = () =>
    site.driver({
      kvm,
      step(name, fn) {
        steps.push(name)
        return fn()
      },
    })
  const found = await driver().fingerprint()
  assert.match(found.version, /^\d+\.\d+\.\d+$/)
  assert.match(
    found.reason,
    found.accel === 'kvm' ? /reached user space under KVM in \d+ ms/ : /KVM cannot be opened|did not reach user space|ended before it reached/,
  )
  assert.deepEqual(await driver().fingerprint(), found)
  assert.deepEqual(steps, ['vmm.probe', 'vmm.probe.remember'], 'the second driver did not probe')
  // Of another boot of the host, or damaged: asked again.
  for (const text of [(await readFile(kvm.cachePath, 'utf8')).replace(/"hostBootId":"[^"]+"/, '"hostBootId":"another"'), '{"format":', 'null']) {
    await writeFile(kvm.cachePath, text)
    assert.equal((await driver().fingerprint()).accel, found.accel)
  }
  assert.equal(steps.filter((name) => name === 'vmm.probe').length, 4)
})

test('a host without QEMU is told so', async () => {
  await using site = await createVmmSite()
  await assert.rejects(site.driver({ qemuPath: '/nonexistent/qemu' }).fingerprint(), (error) => error instanceof AlcoveError && error.code === 'VM_UNAVAILABLE')
})

test('the real kernel boots and its console is in the log', { timeout: 60_000 }, async () => {
  await using site = await createVmmSite()
  const { kernel, initrd } = await readArtifacts()
  const driver = site.driver()
  const spec = await site.spec({ kernelPath: kernel, initrdPath: initrd, memoryMib: 256 })
  const vm = await driver.launch(spec, new AbortController().signal)
  try {
    await vm.resume()
    // The kernel is quiet; the agent is the first to speak.
    await eventually('the console', async () => (await readFile(join(spec.logDir, 'console.log'), 'utf8')).includes('alcove: agent'), 40_000)
    assert.ok((await vm.cpuTimeNs()) > 0)
  } finally {
    await vm.kill()
  }
  await vm.exited
  await driver.reclaim(vm.handle)
})
