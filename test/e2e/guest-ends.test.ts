/** VMs that end by themselves, or by somebody else: the workspace says so, and starts again. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { handleOf } from '../support/confining.ts'
import { sharedDaemon } from '../support/daemon.ts'
import { staying, untilLogged } from '../support/guest-log.ts'
import { eventually } from '../support/vmm.ts'

const daemonOf = sharedDaemon()

/** Runs a script at the first start only; later starts find its mark. */
const once = (script: string) => staying(`if [ -e /root/once ]; then echo "second start"; else : >/root/once; sync; echo "first start"; ${script}; fi`)

/** Without `failure` the end is one the guest wanted. */
async function endAndStartAgain(script: string, failure?: { readonly code: string; readonly message: RegExp }): Promise<void> {
  const { workspaces, dataDir } = daemonOf()
  const { id } = await workspaces.create({ image: 'busybox', config: { memory_mb: 256, writable_size_mb: 64, cmd: once(script) } })
  const stopped = await untilStopped(id)
  assert.equal(stopped.info.user_requested_stop, false)
  assert.equal(stopped.info.failure?.code, failure?.code)
  if (failure) assert.match(stopped.info.failure?.message ?? '', failure.message)
  assert.equal(await handleOf(dataDir, id), undefined)
  assert.ok(
    (await daemonOf().traces()).every((line) => !line.includes(id) || line.startsWith('directory')),
    'the rest of it is gone',
  )

  const again = await workspaces.start(id)
  assert.deepEqual([again.status, again.info.failure], ['running', undefined])
  await untilLogged(workspaces, id, /second start/)
  await workspaces.delete(id)
}

function untilStopped(id: string) {
  return eventually(
    'the workspace is stopped',
    async () => {
      const workspace = await daemonOf().workspaces.get(id)
      return workspace.status === 'stopped' && workspace
    },
    60_000,
  )
}

test('a guest that powers itself off is stopped, which is no failure, and starts again', () => endAndStartAgain('poweroff'))

test('a guest that powers itself off without asking PID 1 is stopped, which is no failure, and starts again', () => endAndStartAgain('poweroff -f'))

test('a guest that reboots is stopped, which is no failure, and starts again', () => endAndStartAgain('reboot -f'))

test('a guest whose kernel panics is stopped with that failure, and starts again', () =>
  endAndStartAgain('echo 1 >/proc/sys/vm/panic_on_oom; tail /dev/zero', { code: 'guest_panic', message: /Out of memory/ }))

test('a VM that is killed on the host is stopped with a failure, and starts again', async () => {
  const { workspaces, dataDir } = daemonOf()
  const { id } = await workspaces.create({ image: 'busybox', config: { memory_mb: 256, cmd: staying('date') } })
  const handle = await handleOf(dataDir, id)
  assert.ok(handle)
  process.kill(handle.pid, 'SIGKILL')
  const stopped = await untilStopped(id)
  assert.equal(stopped.info.failure?.code, 'vm_exited')
  assert.match(stopped.info.failure?.message ?? '', /SIGKILL/)
  await assert.rejects(workspaces.stats(id), { code: 'vm_not_running' })
  assert.equal((await workspaces.start(id)).status, 'running')
})
