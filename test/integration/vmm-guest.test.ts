/** Real guests under the QEMU driver: frozen and let go on, using all their memory, and ending in their own ways. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'node:test'
import { connectGuest } from '../../packages/server/src/guest/client.ts'
import { systemClock } from '../../packages/server/src/lib/clock.ts'
import { within } from '../../packages/server/src/lib/within.ts'
import { judgeEnd } from '../../packages/server/src/runner/judge-end.ts'
import { tailLog } from '../../packages/server/src/runner/log-files.ts'
import { makeAgentDisk, makeAgentImage } from '../support/agent-image.ts'
import { readArtifacts } from '../support/artifacts.ts'
import { guestConfiguration } from '../support/guest-configuration.ts'
import { createVmmSite, eventually, type VmmSite } from '../support/vmm.ts'

const never = new AbortController().signal

/** A guest that runs a script. */
async function boot(site: VmmSite, script: string) {
  const { kernel, initrd } = await readArtifacts()
  const [imagePath, diskPath] = [join(site.root, 'image.erofs'), join(site.root, `disk-${performance.now()}`)]
  await makeAgentImage(imagePath)
  await makeAgentDisk(diskPath, 16, 64)
  const spec = await site.spec({ kernelPath: kernel, initrdPath: initrd, imagePath, diskPath })
  const driver = site.driver()
  const vm = await driver.launch(spec, never)
  await vm.resume()
  const guest = await connectGuest(vm.handle.agentSocket, { signal: systemClock.deadline(60_000) })
  const { phase, message } = await guest.configure(guestConfiguration({ start: { argv: ['sh', '-c', script], env: [], cwd: '/', user: 'root' } }))
  assert.equal(phase, 'ready', message)
  const end = async () => {
    guest.close()
    await vm.kill()
    await driver.reclaim(vm.handle)
  }
  return { vm, guest, end, driver, logDir: spec.logDir, log: () => tailLog(spec.logDir, 'cmd', 100_000) }
}

test('a pause stops the count of a guest, and it goes on with the next number and the right time', { timeout: 90_000 }, async () => {
  await using site = await createVmmSite()
  const { vm, guest, end, log } = await boot(site, 'i=0; while :; do i=$((i+1)); echo "count $i $(date +%s)"; sleep 0.1; done')
  const counts = async () => [...(await log()).matchAll(/count (\d+) (\d+)/g)].map(([, count, at]) => ({ count: Number(count), at: Number(at) }))
  await eventually('it counts', async () => (await counts()).length > 3)
  await vm.pause()
  const frozen = await eventually('what it wrote before is there', async () => {
    const before = (await counts()).length
    await systemClock.sleep(1000)
    return (await counts()).length === before ? before : undefined
  })
  await systemClock.sleep(3000)
  assert.equal((await counts()).length, frozen)
  await vm.resume()
  await eventually('it counts again', async () => (await counts()).length > frozen + 3)
  const behind = (await counts()).at(-1)
  assert.ok(behind && Date.now() / 1000 - behind.at > 2, 'its clock stood')
  await guest.setTime(Date.now())
  await eventually('its clock is right', async () => Math.abs(Date.now() / 1000 - ((await counts()).at(-1)?.at ?? 0)) < 2)
  assert.deepEqual(
    (await counts()).map(({ count }) => count),
    (await counts()).map((_, index) => index + 1),
  )
  await end()
})

test('a guest that uses all its memory and fills its disk lives, within the limit of its group', { timeout: 120_000 }, async (t) => {
  await using site = await createVmmSite()
  const work =
    'dd if=/dev/zero of=/dev/null bs=84M count=1; dd if=/dev/urandom of=/full bs=1M; rm /full; dd if=/dev/zero of=/dev/null bs=84M count=1; echo all done'
  const { vm, end, log } = await boot(site, work)
  await eventually('the work is done', async () => (await log()).includes('all done'), 90_000)
  assert.equal(await vm.status(), 'running')
  for (const group of vm.handle.cgroups) {
    const [peak, limit] = await Promise.all(
      ['memory.max_usage_in_bytes', 'memory.limit_in_bytes'].map(async (file) => Number(await readFile(join(group, file), 'utf8').catch(() => 'NaN'))),
    )
    if (!Number.isNaN(peak))
      t.diagnostic(`a guest of 128 MiB took ${Math.round((peak ?? 0) / 1024 ** 2)} of ${Math.round((limit ?? 0) / 1024 ** 2)} MiB at most`)
  }
  await end()
})

/** What `poweroff` and `reboot` do, and a kernel that is told to panic when its memory is short. */
const ends = {
  guest_poweroff: 'kill -USR2 1',
  guest_reboot: 'kill -TERM 1',
  guest_panic: 'echo 1 >/proc/sys/vm/panic_on_oom; /bin/busybox tail /dev/zero',
}

test('a guest that powers off, reboots or panics is told as such', { timeout: 120_000 }, async () => {
  await using site = await createVmmSite()
  for (const [cause, script] of Object.entries(ends)) {
    const { vm, guest, end, driver, logDir } = await boot(site, script)
    const exit = await within(systemClock, vm.exited, 30_000)
    assert.ok(exit, `${cause}: the VM ends`)
    const console = await tailLog(logDir, 'boot', 100)
    assert.equal(judgeEnd(exit, console, undefined).cause, cause, `${exit.detail}\n${console}`)
    assert.equal(judgeEnd(await driver.exitOf(vm.handle), console, undefined).cause, cause, 'also when nobody watched')
    guest.close()
    await end()
  }
})
