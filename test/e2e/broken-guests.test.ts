/** Guests that never boot, never answer or answer garbage: a create that fails in time, says why, and leaves nothing. */
import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import type { AlcoveError } from '../../packages/sdk/src/index.ts'
import { logFileBytes } from '../../packages/server/src/vmm/qemu/files.ts'
import { makeScriptInitrd } from '../support/agent-image.ts'
import { readArtifacts } from '../support/artifacts.ts'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import { type StubBehaviour, writeStubKernel } from '../support/stub-kernel.ts'

const request = { image: 'busybox', config: { memory_mb: 128, writable_size_mb: 64 } }

/** A daemon whose VMs boot the kernel of a few bytes. */
async function daemonWithStub(t: TestContext, behaviour: StubBehaviour, bootTimeoutSeconds: number): Promise<Daemon> {
  const directory = await mkdtemp(join(tmpdir(), 'alcove-stub-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  const kernel = join(directory, 'kernel')
  await writeStubKernel(kernel, behaviour)
  return startDaemon(t, { artifacts: { kernel }, config: { bootTimeoutSeconds } })
}

/** The error of a create that must fail, and how long it took, ms. The daemon still serves and holds nothing. */
async function failingCreate(daemon: Daemon): Promise<{ error: AlcoveError; ms: number }> {
  const began = performance.now()
  const error = await daemon
    .client(undefined, { maxRetries: 0 })
    .create(request)
    .then(
      () => assert.fail('the create did not fail'),
      (reason: AlcoveError) => reason,
    )
  const ms = performance.now() - began
  assert.deepEqual(await daemon.traces(), [])
  assert.equal((await daemon.workspaces.list()).total, 0)
  assert.equal((await daemon.workspaces.quota()).currentSandboxes, 0)
  return { error, ms }
}

test('a guest that never answers fails on the deadline, with the last lines of its console', async (t) => {
  const { error, ms } = await failingCreate(await daemonWithStub(t, 'hello', 3))
  assert.deepEqual([error.status, error.code], [500, 'CREATE_FAILED'])
  assert.match(error.message, /console:\nhello/)
  assert.ok(ms >= 3000 && ms < 33_000, `${ms} ms`)
})

test('a guest that says nothing at all fails on the deadline', async (t) => {
  const { error } = await failingCreate(await daemonWithStub(t, 'halt', 2))
  assert.deepEqual([error.status, error.code], [500, 'CREATE_FAILED'])
})

test('a guest that floods its console fails on the deadline, and its log stays bounded', async (t) => {
  const daemon = await daemonWithStub(t, 'flood', 6)
  let largest = 0
  let isOver = false
  const watching = (async () => {
    while (!isOver) largest = Math.max(largest, await logBytes(daemon.dataDir))
  })()
  const { error } = await failingCreate(daemon).finally(() => {
    isOver = true
  })
  await watching
  assert.deepEqual([error.status, error.code], [500, 'CREATE_FAILED'])
  assert.match(error.message, /flood\nflood\n/)
  assert.ok(error.message.length < 10_000, `${error.message.length} characters`)
  // The current file and the one before; the log of the start command is empty.
  assert.ok(largest > 0 && largest <= 2 * logFileBytes, `${largest} bytes of log`)
})

test('a guest that resets fails long before the deadline', async (t) => {
  const { error, ms } = await failingCreate(await daemonWithStub(t, 'farewell', 300))
  assert.deepEqual([error.status, error.code], [500, 'CREATE_FAILED'])
  assert.match(error.message, /ended[\s\S]*farewell/)
  assert.ok(ms < 100_000, `${ms} ms`)
})

for (const [what, script] of Object.entries({
  'random bytes': 'cat /dev/urandom >"$port"',
  'the magic of a session and then garbage': 'while :; do printf "\\245ALCRDY\\n0123456789abcdef\\327\\000\\377\\377" >"$port"; done',
})) {
  test(`an agent that answers ${what} fails on the deadline`, async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'alcove-garbage-'))
    t.after(() => rm(directory, { recursive: true, force: true }))
    const initrd = join(directory, 'initrd')
    const find =
      'for name in /sys/class/virtio-ports/*/name; do [ "$(/bin/busybox cat $name)" = alcove.agent ] && port=/dev/$(/bin/busybox basename $(/bin/busybox dirname $name)); done'
    const mounts = '/bin/busybox mount -t proc proc /proc; /bin/busybox mount -t sysfs sys /sys; /bin/busybox mount -t devtmpfs dev /dev'
    const body = `${mounts}\n/bin/busybox --install -s /bin 2>/dev/null; export PATH=/bin\n${find}\necho "garbage to $port"\n${script}\nwhile :; do sleep 1; done`
    await makeScriptInitrd(initrd, body)
    const { error, ms } = await failingCreate(await startDaemon(t, { artifacts: { initrd }, config: { bootTimeoutSeconds: 15 } }))
    assert.deepEqual([error.status, error.code], [500, 'CREATE_FAILED'])
    assert.match(error.message, /garbage to \/dev\/vport/)
    assert.ok(ms < 60_000, `${ms} ms`)
  })
}

test('without a kernel a create says so, and works once there is one', async (t) => {
  const daemon = await startDaemon(t, { artifacts: null })
  const { error } = await failingCreate(daemon)
  assert.deepEqual([error.status, error.code], [503, 'VM_UNAVAILABLE'])
  assert.match(error.message, /script\/bootstrap/)
  const { kernel, initrd } = await readArtifacts()
  await writeFile(daemon.files.artifacts, JSON.stringify({ version: 1, kernel, initrd }))
  assert.equal((await daemon.workspaces.create({ ...request, config: { memory_mb: 256 } })).status, 'running')
})

async function logBytes(dataDir: string): Promise<number> {
  const files = await readdir(join(dataDir, 'vm'), { recursive: true, withFileTypes: true }).catch(() => [])
  const sizes = files.map(async (file) =>
    /\/logs$/.test(file.parentPath) ? ((await stat(join(file.parentPath, file.name)).catch(() => undefined))?.size ?? 0) : 0,
  )
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
}
