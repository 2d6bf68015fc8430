/** The first use of an image that is not on the host: built once, however many ask, and everybody sees how far it is. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { loadCatalogue } from '../../packages/server/src/image/catalogue.ts'
import { imageKey } from '../../packages/server/src/image/image-key.ts'
import { checkConfined } from '../support/confining.ts'
import { type Daemon, startDaemon } from '../support/daemon.ts'
import { eventually } from '../support/vmm.ts'

const request = { image: 'busybox', config: { memory_mb: 256, writable_size_mb: 64 } }
const recipes = fileURLToPath(new URL('../../guest/images', import.meta.url))

/** Takes the lock of the image's build, as a build in another process would; the function that is returned lets go of it. */
async function holdBuild(daemon: Daemon): Promise<() => Promise<void>> {
  const entry = (await loadCatalogue(join(recipes, 'catalogue.json'))).images.find(({ id }) => id === 'busybox')
  assert.ok(entry)
  const locks = join(daemon.imageCache, '.locks')
  await mkdir(locks, { recursive: true })
  const holder = spawn('flock', [join(locks, await imageKey(entry, recipes)), 'sh', '-c', 'echo held; cat >/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] })
  await once(holder.stdout, 'data')
  return async () => {
    holder.stdin.end()
    if (holder.exitCode === null) await once(holder, 'close')
  }
}

const builds = (daemon: Daemon) => daemon.log().filter((line) => line.includes('"msg":"image built"')).length

test('five concurrent creates build the image once and tell how far it is', async (t) => {
  const daemon = await startDaemon(t, { emptyImageCache: true, config: { createBudgetSeconds: 1 } })
  assert.equal((await daemon.workspaces.images()).images.find(({ id }) => id === 'busybox')?.status, 'absent')
  const release = await holdBuild(daemon)
  try {
    const answers = await Promise.all(Array.from({ length: 5 }, () => daemon.workspaces.create(request)))
    for (const { status, ready, provisioning } of answers) {
      assert.deepEqual([status, ready, provisioning?.state, provisioning?.phase], ['creating', false, 'running', 'preparing'])
      assert.notEqual(provisioning?.message ?? '', '')
    }
    assert.equal((await daemon.workspaces.images()).images.find(({ id }) => id === 'busybox')?.status, 'building')
    await release()
    const made = await Promise.all(answers.map(({ id }) => daemon.workspaces.waitUntilReady(id)))
    for (const { status, provisioning } of made) assert.deepEqual([status, provisioning], ['running', undefined])
  } finally {
    await release()
  }
  assert.equal(builds(daemon), 1)
  assert.equal((await readdir(daemon.imageCache)).filter((name) => name.startsWith('busybox-')).length, 1)
  assert.equal((await daemon.workspaces.images()).images.find(({ id }) => id === 'busybox')?.status, 'ready')
})

test('the command line shows the progress of a build and ends when the workspace runs', async (t) => {
  const daemon = await startDaemon(t, { emptyImageCache: true, config: { createBudgetSeconds: 1 } })
  const release = await holdBuild(daemon)
  const create = daemon.alcove(['create', '--image', 'busybox', '--memory', '256'], 120_000)
  try {
    await eventually('the workspace is preparing', async () => {
      const [workspace] = (await daemon.workspaces.list()).workspaces
      return workspace?.provisioning?.phase === 'preparing'
    })
  } finally {
    await release()
  }
  const { exitCode, stdout, stderr } = await create
  assert.equal(exitCode, 0, stderr)
  assert.match(stdout, /status\s+running/)
  assert.match(stderr, /^ws_[a-z0-9]+: .+/m, 'a line of progress')
  const [made] = (await daemon.workspaces.list()).workspaces
  await checkConfined(daemon.dataDir, made?.id ?? '')
})

test('kill -9 during a build: the next daemon finishes build and workspace', async (t) => {
  const daemon = await startDaemon(t, { emptyImageCache: true, config: { createBudgetSeconds: 1 } })
  const release = await holdBuild(daemon)
  try {
    const { id } = await daemon.workspaces.create(request)
    await daemon.kill9()
    await daemon.restart()
    assert.equal((await daemon.workspaces.get(id)).status, 'creating')
    await release()
    assert.equal((await daemon.workspaces.waitUntilReady(id)).status, 'running')
  } finally {
    await release()
  }
})
