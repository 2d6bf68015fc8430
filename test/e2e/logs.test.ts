/** Logs of console and start command. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { sharedDaemon } from '../support/daemon.ts'
import { staying, untilLogged } from '../support/guest-log.ts'

const daemonOf = sharedDaemon()
const counting = staying('echo "started at $(cat /proc/sys/kernel/random/boot_id)"; for i in $(seq 1 300); do echo "line $i"; done')
const create = (more = {}) => daemonOf().workspaces.create({ image: 'busybox', config: { memory_mb: 256, writable_size_mb: 64, cmd: counting, ...more } })
const starts = (log: string) => new Set([...log.matchAll(/started at (\S+)/g)].map(([, boot]) => boot)).size

test('the last lines are given, as many as were asked for, 100 by default', async () => {
  const { workspaces } = daemonOf()
  const { id } = await create()
  await untilLogged(workspaces, id, /line 300$/m)
  const text = (lines: string) =>
    lines
      .trimEnd()
      .split('\n')
      .map((line) => line.replace(/^\[[^\]]+Z\] stdout: /, ''))
  assert.deepEqual(text(await workspaces.logs(id, { tail_lines: 3 })), ['line 298', 'line 299', 'line 300'])
  assert.equal(text(await workspaces.logs(id)).length, 100)
  assert.equal(text(await workspaces.logs(id, { tail_lines: 1000 })).at(-300), 'line 1')
})

test('source=boot is the console of the VM, and no place for the output of the command', async () => {
  const { workspaces, alcove } = daemonOf()
  const { id } = await create({ cmd: staying('echo "this is no console"; echo "spoken to the console" >/dev/console') })
  await untilLogged(workspaces, id, /this is no console/)
  // Console and command are two ways out of the VM; neither waits for the other.
  const { input: boot } = await untilLogged(workspaces, id, /spoken to the console/, { source: 'boot' })
  assert.doesNotMatch(boot, /this is no console/)
  const printed = await alcove(['logs', id, '--source', 'boot'])
  assert.deepEqual([printed.exitCode, printed.stderr], [0, ''])
  assert.match(printed.stdout, /spoken to the console/)
})

test('logs are kept through a restart, and start anew with keep_logs false', async () => {
  const { workspaces } = daemonOf()
  const [keeping, forgetting] = await Promise.all([create(), create({ keep_logs: false })])
  for (const { id } of [keeping, forgetting]) await untilLogged(workspaces, id, /line 300$/m)
  await Promise.all([keeping, forgetting].map(({ id }) => workspaces.restart(id)))
  const kept = await untilLogged(workspaces, keeping.id, /line 300\n(.*\n)*.*started at .*\n(.*\n)*.*line 300$/m)
  assert.equal(starts(kept.input), 2)
  await untilLogged(workspaces, forgetting.id, /line 300$/m)
  assert.equal(starts(await workspaces.logs(forgetting.id, { tail_lines: 2000 })), 1)
})

test('logs of a stopped workspace can be read, those of a deleted one are gone', async () => {
  const { workspaces } = daemonOf()
  const { id } = await create()
  await untilLogged(workspaces, id, /line 300$/m)
  await workspaces.stop(id)
  assert.match(await workspaces.logs(id, { tail_lines: 400 }), /line 300/)
  await workspaces.delete(id)
  await assert.rejects(workspaces.logs(id), { status: 404 })
})
