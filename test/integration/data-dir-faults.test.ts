/** A data directory that is full, read-only, missing, damaged or in use: the daemon says so, and no virtual machine is touched. */
import assert from 'node:assert/strict'
import { access, chmod, copyFile, mkdtemp, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import Sqlite from 'better-sqlite3'
import type { Answer, Api } from '../../chaos/api.ts'
import { createFiller } from '../../chaos/faults/filler.ts'
import { type Mount, mountExt4 } from '../../chaos/faults/mounts.ts'
import { need } from '../../chaos/faults/need.ts'
import { placeData, roomy } from '../../chaos/faults/place-data.ts'
import { inject } from '../../chaos/faults/strace.ts'
import { readIdentities } from '../../chaos/identity.ts'
import { createWorld, smallest, type World, type WorldOptions } from '../../chaos/world.ts'
import { run } from '../../packages/server/src/lib/subprocess.ts'
import { findProcess } from '../../packages/server/src/vmm/qemu/proc.ts'
import { eventually } from '../support/vmm.ts'

/** A world on a small disk of its own, with one workspace that runs. */
async function place(t: TestContext, options: WorldOptions = {}): Promise<{ world: World; api: Api; disk: Mount; id: string; pid: number }> {
  await need('mkfs.ext4', 'losetup', 'mount', '/dev/loop-control')
  const base = await mkdtemp('/tmp/df-')
  await chmod(base, 0o711)
  const disk = await mountExt4(join(base, 'd'), { sizeMib: 160, inodes: 1024 })
  const world = await createWorld(base, { start: false, plan: roomy, config: { minFreeDiskMb: 0 }, ...options })
  t.after(async () => {
    await world[Symbol.asyncDispose]()
    await disk.end()
    await rm(base, { recursive: true, force: true })
  })
  await placeData(world, disk.path)
  await world.start()
  const api = await world.api('tenant-0')
  world.tenants.push(api)
  const id = idOf(await create(api))
  return { world, api, disk, id, pid: await pidOf(world, id) }
}

const create = (api: Api) => api.send('POST', '/workspace', { body: { ...smallest, name: `w-${performance.now()}` } })

function idOf(answer: Answer): string {
  const id = answer.kind === 'answered' ? answer.body.workspace?.id : undefined
  return id ?? assert.fail(`not created: ${JSON.stringify(answer)}`)
}

function assertFull(answer: Answer): void {
  assert.ok(answer.kind === 'answered', JSON.stringify(answer))
  assert.deepEqual([answer.status, answer.body.code], [507, 'storage_full'], JSON.stringify(answer.body))
}

async function pidOf(world: World, id: string): Promise<number> {
  return (await readIdentities(world.dataDir, [id])).get(id)?.pid ?? assert.fail(`${id} has no virtual machine`)
}

/** Starts the daemon, which must take up the very same virtual machine. */
async function assertTakenUp(world: World, id: string, pid: number): Promise<void> {
  await world.start()
  assert.deepEqual((await world.converge()).left, [])
  assert.equal(await pidOf(world, id), pid)
}

test('on a read-only file system the daemon does not start, and says so', async (t) => {
  const { world, disk, id, pid } = await place(t)
  await world.kill9()
  // Files that are open for writing, as those of the VM, keep a file system from turning read-only; a mount of it may.
  await run(['mount', '--bind', disk.path, disk.path])
  try {
    await run(['mount', '-o', 'remount,bind,ro', disk.path])
    await assert.rejects(world.start(), /data directory .* is on a read-only file system/)
    assert.ok(await findProcess(pid))
  } finally {
    await run(['umount', disk.path])
  }
  await assertTakenUp(world, id, pid)
})

test('when the data directory is gone the daemon does not begin a new one while its virtual machines run', async (t) => {
  const { world, id, pid } = await place(t)
  await world.kill9()
  const away = `${world.dataDir}-away`
  await rename(world.dataDir, away)
  try {
    await assert.rejects(world.start(), /is missing, but virtual machines that were started from .* are running/)
    await assert.rejects(access(world.dataDir), { code: 'ENOENT' })
    assert.ok(await findProcess(pid))
  } finally {
    await rename(away, world.dataDir)
  }
  await assertTakenUp(world, id, pid)
})

test('a restart on a full disk touches no virtual machine, and with room everything goes on', async (t) => {
  const { world, disk, id, pid } = await place(t)
  const filler = createFiller(disk.path)
  await world.kill9()
  await filler.leave('blocks', 0)
  const outcome = await world.start().then(
    () => 'serves',
    (error: Error) => error.message,
  )
  // It may serve what it has, or refuse; what it may not is act on what it could not read or write.
  assert.match(outcome, /^serves$|storage_full/)
  assert.ok(await findProcess(pid))
  await filler.release()
  await world.kill9()
  await assertTakenUp(world, id, pid)
  idOf(await create(world.tenants[0] as Api))
})

test('a damaged database is refused, the virtual machines go on, and a backup in its place is taken up', async (t) => {
  const { world, id, pid } = await place(t)
  await world.kill9()
  const backup = `${world.files.base}/backup.db`
  const db = new Sqlite(world.database)
  db.pragma('wal_checkpoint(truncate)')
  db.close()
  await copyFile(world.database, backup)
  const file = await open(world.database, 'r+')
  await file.write(Buffer.alloc(4096, 0xa5), 0, 4096, 4096 * Math.floor((await file.stat()).size / 8192))
  await file.close()
  await assert.rejects(world.start(), /is damaged .*Restore a backup/)
  assert.ok(await findProcess(pid))
  await copyFile(backup, world.database)
  await assertTakenUp(world, id, pid)
})

test('below the mark of free space nothing is created or started, what runs goes on, and room alone mends it', async (t) => {
  const { world, api, disk, id, pid } = await place(t, { config: { minFreeDiskMb: 40 } })
  const stopped = idOf(await create(api))
  await api.send('POST', `/workspace/${stopped}/stop`)
  const filler = createFiller(disk.path)
  // 30 MiB: less than the mark, and far from full.
  await filler.leave('blocks', (30 * 1024) / 4)
  assertFull(await create(api))
  assertFull(await api.send('POST', `/workspace/${stopped}/start`))
  assert.equal(await pidOf(world, id), pid)
  await filler.release()
  idOf(await create(api))
  const started = await api.send('POST', `/workspace/${stopped}/start`)
  assert.ok(started.kind === 'answered' && started.status === 200, JSON.stringify(started))
})

test('an fsync that fails ends the daemon; the next one finds what is really there', async (t) => {
  await need('strace')
  const { world, api, id, pid } = await place(t)
  for (const threads of ['main', 'pool'] as const) {
    const armed = await inject({ pid: world.pid, threads, call: 'fsync', fault: 'error=EIO', when: '1+' })
    const answer = await create(api)
    await armed.end()
    assert.equal(answer.kind, 'unanswered', JSON.stringify(answer))
    await eventually('the daemon has ended', async () => !world.isAlive)
    assert.ok(world.log.some((line) => line.includes('could not be made durable')))
    await assertTakenUp(world, id, pid)
  }
})

test('on a full disk the API still lists, a stop is answered in words, and room alone brings rest', async (t) => {
  const { world, api, disk, id, pid } = await place(t)
  const filler = createFiller(disk.path)
  await filler.leave('blocks', 0)
  const logs = join(world.dataDir, 'vm', id, 'logs')
  const before = await readdir(logs)
  const list = await api.list()
  assert.deepEqual(
    list.map((view) => view.status),
    ['running'],
  )
  const stopped = await api.send('POST', `/workspace/${id}/stop`)
  assert.ok(stopped.kind === 'answered' && [200, 507, 503].includes(stopped.status), JSON.stringify(stopped))
  assert.deepEqual(await readdir(logs), before)
  assert.ok((await stat(logs)).isDirectory())
  await filler.release()
  assert.deepEqual((await world.converge()).left, [])
  assert.ok(pid > 0)
})
