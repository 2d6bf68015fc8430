/** What a guest notices of a full host: its disk waits for room, and its log loses lines; it does not die, nor does its file system. */
import assert from 'node:assert/strict'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'node:test'
import { createFiller } from '../../chaos/faults/filler.ts'
import { mountExt4, mountMemory } from '../../chaos/faults/mounts.ts'
import { need } from '../../chaos/faults/need.ts'
import { placeData, roomy } from '../../chaos/faults/place-data.ts'
import { createWorld } from '../../chaos/world.ts'
import { run } from '../../packages/server/src/lib/subprocess.ts'
import { createVmmSite, eventually } from '../support/vmm.ts'

const never = new AbortController().signal

test('a guest that writes while the host is full is paused, and goes on with every byte once there is room', { timeout: 420_000 }, async (t) => {
  await need('mkfs.ext4', 'losetup', 'mount', '/dev/loop-control')
  const base = await mkdtemp('/tmp/dg-')
  await chmod(base, 0o711)
  const disk = await mountExt4(join(base, 'd'), { sizeMib: 256 })
  const world = await createWorld(base, { driver: 'real', start: false, plan: roomy, config: { minFreeDiskMb: 0 } })
  t.after(async () => {
    await world[Symbol.asyncDispose]()
    await disk.end()
    await rm(base, { recursive: true, force: true })
  })
  await placeData(world, disk.path)
  await world.start()
  const api = await world.api('tenant-0')
  const write = 'dd if=/dev/zero bs=1M count=60 2>/dev/null | tr "\\0" "x" >/srv/big; sync; echo "sum $(sha256sum </srv/big)"; while :; do sleep 60; done'
  const config = { cpus: 1, memory_mb: 256, writable_size_mb: 128, cmd: ['/bin/sh', '-c', `sleep 5; ${write}`] }
  const answer = await api.send('POST', '/workspace', { body: { image: 'busybox', name: 'writer', config }, timeoutMs: 120_000 })
  const id = answer.kind === 'answered' ? answer.body.workspace?.id : undefined
  assert.ok(id, JSON.stringify(answer))
  const filler = createFiller(disk.path)
  await filler.leave('blocks', 1024)
  const failure = async () => {
    const found = await api.send('GET', `/workspace/${id}`)
    return found.kind === 'answered' ? (found.body.workspace?.info.failure?.code ?? 'none') : 'none'
  }
  // In the log, whatever happens; in the row only where the database still finds room.
  await eventually('the pause is told', async () => world.log.some((line) => line.includes('could not take a write')), 180_000)
  assert.doesNotMatch(await readFile(join(world.dataDir, 'vm', id, 'logs/cmd.log'), 'utf8'), /sum/)
  await filler.release()
  const expected = (await run(['sh', '-c', 'dd if=/dev/zero bs=1M count=60 2>/dev/null | tr "\\0" "x" | sha256sum'])).trim()
  await eventually('all is written', async () => (await readFile(join(world.dataDir, 'vm', id, 'logs/cmd.log'), 'utf8')).includes(`sum ${expected}`), 120_000)
  await eventually('the failure is taken back', async () => (await failure()) === 'none', 60_000)
})

test('a directory of logs that is full costs lines, neither the VM nor its monitor', async (t) => {
  const site = await createVmmSite()
  const driver = site.driver()
  const spec = await site.spec({ guest: 'flood' })
  const logs = await mountMemory(spec.logDir, 4)
  const vm = await driver.launch(spec, never)
  t.after(async () => {
    await vm.kill()
    await vm.exited
    await driver.reclaim(vm.handle)
    await eventually('the writers have ended', () =>
      logs.end().then(
        () => true,
        () => false,
      ),
    )
    await site[Symbol.asyncDispose]()
  })
  await writeFile(join(logs.path, 'filler'), Buffer.alloc(8 * 1024 ** 2)).catch(() => {})
  await vm.resume()
  for (let ask = 0; ask < 20; ask++) assert.equal(await vm.status(), 'running')
  await rm(join(logs.path, 'filler'))
  await eventually('lines are kept again, and the loss is told', async () => {
    const text = await readFile(join(logs.path, 'console.log'), 'utf8').catch(() => '')
    return /bytes or more were lost: the host had no room\]\n[\s\S]*flood\n/.test(text)
  })
  assert.equal(await vm.status(), 'running')
})
