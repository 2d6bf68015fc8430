/** The host is restarted: every process, the network and the cgroups are gone, and the host has another boot id. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm, rmdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { handleOf } from '../support/confining.ts'
import { sharedDaemon } from '../support/daemon.ts'
import { staying, untilLogged } from '../support/guest-log.ts'
import { eventually } from '../support/vmm.ts'

let bootIdFile = ''

/** The daemon sees the file in place of the kernel's boot id; its mount namespace is its own, so nobody else does. */
const daemonOf = sharedDaemon(async () => {
  const base = await mkdtemp(join(tmpdir(), 'alcove-boot-id-'))
  bootIdFile = join(base, 'boot_id')
  await writeFile(bootIdFile, `${randomUUID()}\n`)
  const script = 'mount --make-private / && mount --bind "$1" /proc/sys/kernel/random/boot_id && shift && exec "$@"'
  return {
    wrap: ['unshare', '--mount', '--propagation', 'unchanged', 'sh', '-c', script, 'sh', bootIdFile],
    ended: () => rm(base, { recursive: true, force: true }),
  }
})

const config = { memory_mb: 256, writable_size_mb: 64, cmd: staying('echo "up, kept $(cat /kept 2>/dev/null)"; echo yes >/kept; sync') }

test('what is to run is started again with its id, disk and static address; the others end as stopped with the reason', async () => {
  const daemon = daemonOf()
  const { workspaces } = daemon
  const create = (mode: 'permanent' | 'temporary', more: object = {}) => workspaces.create({ image: 'busybox', mode, config: { ...config, ...more } })
  const [lasting, policied, plain, paused, stopped] = await Promise.all([
    create('permanent'),
    create('temporary', { restart_policy: 'always', static_network: true }),
    create('temporary'),
    create('temporary'),
    create('permanent'),
  ])
  const all = [lasting, policied, plain, paused, stopped]
  await Promise.all(all.map(({ id }) => untilLogged(workspaces, id, /up, kept/)))
  await workspaces.pause(paused.id)
  await workspaces.stop(stopped.id)
  const handles = (await Promise.all([lasting, policied, plain, paused].map(({ id }) => handleOf(daemon.dataDir, id)))).flatMap((handle) => handle ?? [])
  assert.equal(handles.length, 4)

  await daemon.kill9()
  for (const { pid } of handles) process.kill(pid, 'SIGKILL')
  const cleaned = await daemon.alcove(['host', 'clean', '--data-dir', daemon.dataDir])
  assert.equal(cleaned.exitCode, 0, cleaned.stderr)
  for (const { cgroups } of handles)
    for (const group of cgroups)
      await eventually('the cgroup goes', async () =>
        rmdir(group).then(
          () => true,
          (error) => error.code === 'ENOENT',
        ),
      )
  await writeFile(bootIdFile, `${randomUUID()}\n`)
  await daemon.restart()

  for (const before of [lasting, policied]) {
    await eventually('it runs again', async () => {
      const now = await workspaces.get(before.id)
      return now.status === 'running' && now.generation === 2
    })
    assert.equal((await workspaces.get(before.id)).ip, before.ip)
    await untilLogged(workspaces, before.id, /up, kept yes/)
    const { events } = await workspaces.events(before.id)
    assert.ok(events.some(({ to, cause }) => to === 'stopped' && cause === 'host_reboot'))
    assert.ok(events.some(({ to, cause }) => to === 'starting' && cause === 'host_reboot'))
  }
  for (const { id } of [plain, paused]) {
    const { info } = await eventually('it rests', async () => {
      const now = await workspaces.get(id)
      return now.status === 'stopped' && now
    })
    assert.equal(info.failure?.code, 'host_reboot')
    assert.equal((await workspaces.lifecycle.get(id)).restart_info?.last_exit?.cause, 'host_reboot')
  }
  assert.equal((await workspaces.get(stopped.id)).info.failure, undefined)
  // What ended with the host can be started as ever.
  assert.equal((await workspaces.start(plain.id)).info.status, 'running')
})
