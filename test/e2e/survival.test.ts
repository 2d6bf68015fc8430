/** The daemon is killed, the workspaces live. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'node:test'
import { handleOf } from '../support/confining.ts'
import { sharedDaemon } from '../support/daemon.ts'
import { staying, untilLogged } from '../support/guest-log.ts'
import { eventually } from '../support/vmm.ts'

const daemonOf = sharedDaemon()

/** A guest that keeps saying which boot it is, and for how long. */
const telling = 'while :; do echo "boot $(cat /proc/sys/kernel/random/boot_id) up $(cut -d" " -f1 /proc/uptime)"; sleep 0.3; done'
const told = /boot (\S+) up ([\d.]+)/g

/** All that a guest has said, oldest first, as the host's files have it: no daemon is asked. */
async function read(id: string): Promise<{ boots: Set<string | undefined>; uptimes: number[] }> {
  const all = [...(await readFile(join(daemonOf().dataDir, 'vm', id, 'logs/cmd.log'), 'utf8')).matchAll(told)]
  return { boots: new Set(all.map(([, boot]) => boot)), uptimes: all.map(([, , uptime]) => Number(uptime)) }
}

test('kill -9 of the daemon: three VMs go on, their logs too, and the next daemon has them at once', async () => {
  const daemon = daemonOf()
  const config = { memory_mb: 256, cmd: staying(telling) }
  const made = await Promise.all([1, 2, 3].map(() => daemon.workspaces.create({ image: 'busybox', config })))
  const ids = made.map(({ id }) => id)
  await Promise.all(ids.map((id) => untilLogged(daemon.workspaces, id, /boot \S+ up/)))
  const handles = await Promise.all(ids.map((id) => handleOf(daemon.dataDir, id)))
  const firstPid = daemon.pid()

  await daemon.kill9()
  const before = await Promise.all(ids.map(read))
  await eventually('the guests go on writing while no daemon runs', async () => {
    const now = await Promise.all(ids.map(read))
    return now.every(({ uptimes }, at) => uptimes.length >= (before[at]?.uptimes.length ?? 0) + 3)
  })
  await daemon.restart()
  assert.notEqual(daemon.pid(), firstPid)
  const listed = (await daemon.workspaces.list()).workspaces
  assert.deepEqual(new Set(listed.map(({ id, status }) => `${id} ${status}`)), new Set(ids.map((id) => `${id} running`)))

  for (const [at, id] of ids.entries()) {
    assert.deepEqual(await handleOf(daemon.dataDir, id), handles[at], 'the same process')
    const workspace = await daemon.workspaces.get(id)
    assert.deepEqual([workspace.ip, workspace.start_time], [made[at]?.ip, made[at]?.start_time])
    const { stats } = await eventually('the agent answers the new daemon', async () => {
      const answer = (await daemon.workspaces.details(id)).workspace
      return answer.stats.uptime > 0 && answer
    })
    const { boots, uptimes } = await read(id)
    assert.equal(boots.size, 1, 'one boot of the guest only')
    assert.deepEqual(
      uptimes.toSorted((one, other) => one - other),
      uptimes,
      'its uptime only grew',
    )
    assert.ok(stats.uptime >= Math.floor(before[at]?.uptimes.at(-1) ?? 0))
  }
})

test('the new daemon rules the VMs it took up: logs, stop, start, delete', async () => {
  const daemon = daemonOf()
  const { id } = await daemon.workspaces.create({ image: 'busybox', config: { memory_mb: 256, cmd: staying('echo "written at $(date +%s)"') } })
  await daemon.kill9()
  await daemon.restart()
  await untilLogged(daemon.workspaces, id, /written at/)
  assert.equal((await daemon.workspaces.stop(id)).status, 'stopped')
  assert.equal((await daemon.workspaces.start(id)).status, 'running')
  await daemon.workspaces.delete(id)
  assert.equal((await daemon.traces()).filter((line) => line.includes(id)).length, 0)
})

test('a VM that ends while no daemon runs is stopped, with a failure, for the next one', async () => {
  const daemon = daemonOf()
  const { id } = await daemon.workspaces.create({ image: 'busybox', config: { memory_mb: 256, cmd: staying('echo up') } })
  const handle = await handleOf(daemon.dataDir, id)
  await daemon.kill9()
  assert.ok(handle)
  process.kill(handle.pid, 'SIGKILL')
  await daemon.restart()
  const found = await eventually('it is stopped', async () => {
    const workspace = await daemon.workspaces.get(id)
    return workspace.status === 'stopped' && workspace
  })
  assert.equal(found.info.failure?.code, 'vm_exited')
})
