/** The writable disk: kept by a stop, removed by a delete, as large as asked for, and full for its own guest only. */
import assert from 'node:assert/strict'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'node:test'
import { sharedDaemon } from '../support/daemon.ts'
import { staying, untilLogged } from '../support/guest-log.ts'

const daemonOf = sharedDaemon()
const create = (writable_size_mb: number, script: string) =>
  daemonOf().workspaces.create({ image: 'busybox', config: { memory_mb: 256, writable_size_mb, cmd: staying(script) } })
const logged = (id: string, pattern: RegExp) => untilLogged(daemonOf().workspaces, id, pattern)

test('a file survives stop and start, and a delete removes the disk', async () => {
  const { workspaces, dataDir } = daemonOf()
  const { id } = await create(128, 'echo boot >>/srv/boots; echo "boots: $(wc -l </srv/boots)"')
  for (const count of [1, 2, 3]) {
    await logged(id, new RegExp(`boots: ${count}$`, 'm'))
    await workspaces.stop(id)
    if (count < 3) await workspaces.start(id)
  }
  const disk = join(dataDir, 'vm', id, 'disk.ext4')
  assert.equal((await stat(disk)).size, 128 * 2 ** 20)
  await workspaces.delete(id)
  await assert.rejects(stat(disk), { code: 'ENOENT' })
})

test('a full disk hurts its own guest only', async () => {
  const { workspaces, url } = daemonOf()
  const neighbour = await create(64, 'while :; do date >>/srv/dates && echo "neighbour writes $(wc -l </srv/dates)"; sleep 1; done')
  const full = await create(64, 'dd if=/dev/zero of=/srv/zeros bs=64k; echo "dd ended with $?"; ls -l /srv/zeros; echo "still speaks"')
  await logged(full.id, /No space left on device/)
  await logged(full.id, /dd ended with 1/)
  await logged(full.id, /still speaks/)
  const { stats } = (await workspaces.details(full.id)).workspace
  assert.ok(stats.guestDiskUsedPct > 90 && stats.guestDiskTotalBytes <= 64 * 2 ** 20, JSON.stringify(stats))

  const [, written] = await logged(neighbour.id, /neighbour writes (\d+)/)
  await logged(neighbour.id, new RegExp(`neighbour writes ${Number(written) + 2}$`, 'm'))
  assert.equal((await fetch(`${url}/health`)).status, 200)
  // It can still be stopped, started and deleted.
  await workspaces.stop(full.id)
  assert.equal((await workspaces.start(full.id)).status, 'running')
})

test('the disk has the size that was asked for, and grows at the start after an update', async () => {
  const { workspaces } = daemonOf()
  const { id } = await create(300, 'echo kept >>/srv/kept; echo "size $(df -m / | tail -n 1 | tr -s " " | cut -d" " -f2) lines $(wc -l </srv/kept)"')
  const [, before] = await logged(id, /size (\d+) lines 1/)
  assert.ok(Number(before) > 240 && Number(before) <= 300, before)
  const updated = await workspaces.update(id, { config: { writable_size_mb: 1000 } })
  assert.equal(updated.info.restart_required, true)
  const restarted = await workspaces.restart(id)
  assert.notEqual(restarted.info.restart_required, true)
  assert.equal(restarted.resources.disk_size_mb, 1000)
  const [, later] = await logged(id, /size (\d+) lines 2/)
  assert.ok(Number(later) > 850 && Number(later) <= 1000, later)
  await assert.rejects(workspaces.update(id, { config: { writable_size_mb: 500 } }), { code: 'INVALID_CONFIG' })
})
