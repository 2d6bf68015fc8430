/** The life of real VMs: pause and resume, times to live, restart policies, one workspace for each key, limits that hold. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { handleOf } from '../support/confining.ts'
import { sharedDaemon } from '../support/daemon.ts'
import { staying, untilLogged } from '../support/guest-log.ts'
import { eventually } from '../support/vmm.ts'

const daemonOf = sharedDaemon({ config: { defaultPlan: 'few', plans: { few: { maxSandboxes: 8 }, three: { maxSandboxes: 3 } } } })

const small = { memory_mb: 256, writable_size_mb: 64 }
const counting = staying('echo "boot $(cat /proc/sys/kernel/random/boot_id)"; i=0; while :; do i=$((i+1)); echo "count $i"; sleep 0.2; done')
const create = (config: object = {}) => daemonOf().workspaces.create({ image: 'busybox', config: { ...small, cmd: counting, ...config } })
const statusOf = async (id: string) => (await daemonOf().workspaces.get(id)).info.status
const lastCount = async (id: string) => Number([...(await daemonOf().workspaces.logs(id, { tail_lines: 5 })).matchAll(/count (\d+)/g)].at(-1)?.[1] ?? 0)

test('pause stops the count, resume continues it in the same boot, also over a kill of the daemon', async () => {
  const daemon = daemonOf()
  const { workspaces } = daemon
  const { id } = await create()
  await untilLogged(workspaces, id, /count 3$/m)
  const paused = await workspaces.pause(id)
  assert.deepEqual([paused.info.status, paused.info.is_running, paused.generation], ['paused', false, 1])
  const handle = await handleOf(daemon.dataDir, id)
  const stood = await lastCount(id)
  await daemon.kill9()
  await daemon.restart()
  assert.equal(await statusOf(id), 'paused')
  assert.equal(await lastCount(id), stood)
  const resumed = await workspaces.resume(id)
  assert.deepEqual([resumed.info.status, resumed.generation], ['running', 1])
  await untilLogged(workspaces, id, new RegExp(`count ${stood + 3}$`, 'm'))
  assert.deepEqual(await handleOf(daemon.dataDir, id), handle)
  const log = await workspaces.logs(id, { tail_lines: 2000 })
  assert.equal([...log.matchAll(/boot \S+/g)].length, 1)
  await workspaces.delete(id)
})

test('a time to live that ends while no daemon runs is acted on by the next one', async () => {
  const daemon = daemonOf()
  const { workspaces } = daemon
  const [stopping, removing] = await Promise.all([create(), create()])
  await workspaces.lifecycle.setTtl(stopping.id, { ttl: '3s' })
  await workspaces.lifecycle.makeTemporary(removing.id, { ttl: '3s', ttl_action: 'remove' })
  const { expires_at } = await workspaces.lifecycle.get(removing.id)
  await daemon.kill9()
  await eventually('the time is over', async () => Date.now() > Date.parse(expires_at ?? '') + 500)
  await daemon.restart()
  await eventually('the one is stopped', async () => (await statusOf(stopping.id)) === 'stopped')
  await eventually('the other is gone', async () => (await workspaces.get(removing.id).catch((error: { status?: number }) => error.status)) === 404)
  const { restart_info } = await workspaces.lifecycle.get(stopping.id)
  assert.deepEqual([restart_info?.last_exit?.cause, restart_info?.last_exit?.requested_by], ['ttl', 'system'])
  const { events } = await workspaces.events(removing.id)
  assert.deepEqual([events.at(-1)?.type, events.at(-1)?.cause], ['deleted', 'ttl'])
  await workspaces.delete(stopping.id)
})

test('the restart policy starts a VM again whose QEMU was killed, and whose guest powered off, as the policy says', async () => {
  const daemon = daemonOf()
  const { workspaces } = daemon
  const [always, onFailure] = await Promise.all([create({ restart_policy: 'always', max_restarts: 2 }), create({ restart_policy: 'on-failure' })])
  for (const { id } of [always, onFailure]) {
    const handle = await handleOf(daemon.dataDir, id)
    assert.ok(handle)
    process.kill(handle.pid, 'SIGKILL')
    await eventually('it runs again', async () => {
      const { status, generation } = await workspaces.get(id)
      return status === 'running' && generation === 2
    })
    const { restart_info } = await workspaces.lifecycle.get(id)
    assert.deepEqual([restart_info?.restart_count, restart_info?.last_exit?.cause, restart_info?.last_exit?.signal], [1, 'vmm_killed', 'SIGKILL'])
  }
  await workspaces.stop(always.id)
  assert.deepEqual([await statusOf(always.id), (await workspaces.get(always.id)).info.user_requested_stop], ['stopped', true])
  await daemon.kill9()
  await daemon.restart()
  assert.equal(await statusOf(always.id), 'stopped')
  await Promise.all([always, onFailure].map(({ id }) => workspaces.delete(id)))
})

test('a guest that powers itself off has ended without failure, and is removed where it is to go with its VM', async () => {
  const { workspaces } = daemonOf()
  const powerOff = ['sh', '-c', 'sleep 2; poweroff -f']
  const [resting, going] = await Promise.all([create({ cmd: powerOff, restart_policy: 'on-failure' }), create({ cmd: powerOff, remove_on_exit: true })])
  await eventually('the one rests', async () => (await statusOf(resting.id)) === 'stopped')
  const { restart_info } = await workspaces.lifecycle.get(resting.id)
  assert.deepEqual([restart_info?.last_exit?.cause, restart_info?.last_exit?.clean, restart_info?.next_attempt_at], ['guest_poweroff', true, null])
  await eventually('the other is gone', async () => (await workspaces.get(going.id).catch((error: { status?: number }) => error.status)) === 404)
  assert.equal((await workspaces.events(going.id)).events.at(-1)?.cause, 'remove_on_exit')
  await workspaces.delete(resting.id)
})

test('resources are applied by one restart: more memory and a larger disk with what was on it', async () => {
  const { workspaces } = daemonOf()
  const telling = staying(
    'echo "mem $(grep MemTotal /proc/meminfo | tr -dc 0-9) disk $(df -m / | tail -1 | awk \'{print $2}\') kept $(cat /kept 2>/dev/null)"; echo yes >/kept; sync',
  )
  const { id } = await create({ cmd: telling })
  const [, , before] = await untilLogged(workspaces, id, /mem (\d+) disk (\d+) kept/)
  const changed = await workspaces.resources.update(id, { memory_mb: 384, writable_size_mb: 256, apply: true })
  assert.deepEqual([changed.updated, changed.relaunched], [{ memory_mb: 384, writable_size_mb: 256 }, true])
  const [, memory, disk] = await untilLogged(workspaces, id, /mem (\d+) disk (\d+) kept yes/)
  assert.ok(Number(memory) > 300_000 && Number(disk) > 2 * Number(before), `${memory} KiB, ${disk} MiB after ${before} MiB`)
  await assert.rejects(workspaces.resources.update(id, { writable_size_mb: 128 }), { status: 400 })
  const { operations } = await workspaces.operations(id, { limit: 2 })
  assert.deepEqual(
    operations.map(({ verb, status }) => [verb, status]),
    [
      ['resources', 'succeeded'],
      ['create', 'succeeded'],
    ],
  )
  await workspaces.delete(id)
})

test('eight creates at once with one key give one workspace; twenty against a limit of three give three', async () => {
  const daemon = daemonOf()
  const limited = daemon.client(await daemon.key('limited', 'three'), { maxRetries: 0 })
  const config = { ...small, memory_mb: 128, cmd: ['sleep', '1000'] }
  const same = await Promise.all(Array.from({ length: 8 }, () => limited.create({ image: 'busybox', config, idempotency_key: 'one' })))
  assert.equal(new Set(same.map(({ id }) => id)).size, 1)
  assert.equal((await limited.list()).total, 1)
  await limited.delete(same[0]?.id ?? '')
  const many = await Promise.allSettled(Array.from({ length: 20 }, () => limited.create({ image: 'busybox', config })))
  const made = many.flatMap((one) => (one.status === 'fulfilled' ? [one.value.id] : []))
  const codes = many.flatMap((one) => (one.status === 'rejected' ? [(one.reason as { code: string }).code] : []))
  assert.deepEqual([made.length, (await limited.list()).total], [3, 3])
  assert.deepEqual([...new Set(codes)], ['SANDBOX_LIMIT_REACHED'])
  await Promise.all(made.map((id) => limited.delete(id)))
})
