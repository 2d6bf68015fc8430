/** The host is restarted under many VMs at once: those that are to run come back as they were, the others say why they are stopped, and the API stays quick. */
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import test from 'node:test'
import type { WorkspaceView } from '../../chaos/api.ts'
import { latencyOf } from '../../chaos/figure.ts'
import { readIdentities } from '../../chaos/identity.ts'
import { createWorld, smallest, type World } from '../../chaos/world.ts'
import { systemClock } from '../../packages/server/src/lib/clock.ts'
import { workspacePaths } from '../../packages/server/src/runner/paths.ts'
import { eventually } from '../support/vmm.ts'

/** VMs that come back, and that do not. */
const lasting = 30
const passing = 5

test('after a restart of the host, what is to run runs again with its id and address, all at once, and reads are answered meanwhile', {
  timeout: 300_000,
}, async (t) => {
  const base = await mkdtemp('/tmp/alcove-rb-')
  await chmod(base, 0o711)
  try {
    await using world = await createWorld(base)
    const [api] = world.tenants
    assert.ok(api)
    for (let count = 0; count < lasting + passing; count += 5) {
      const mode = count < lasting ? 'permanent' : 'temporary'
      await Promise.all(Array.from({ length: 5 }, () => api.send('POST', '/workspace', { body: { ...smallest, mode } })))
    }
    const before = await api.list()
    assert.equal(before.filter(({ status }) => status === 'running').length, lasting + passing)
    const usual = latencyOf(await readDuring(world, systemClock.sleep(2000)))

    await rebootHost(
      world,
      before.map(({ id }) => id),
    )
    const began = performance.now()
    await world.start()
    const isBack = async () => {
      const now = new Map((await api.list()).map((view) => [view.id, view]))
      return before.every(({ id, mode }) => now.get(id)?.status === (mode === 'permanent' ? 'running' : 'stopped'))
    }
    const back = eventually('all are back', isBack, 200_000)
    const meanwhile = latencyOf(await readDuring(world, back))
    await back
    const tookMs = performance.now() - began
    t.diagnostic(
      `${lasting} VMs were back after ${Math.round(tookMs)} ms; reads p50 ${meanwhile.p50}, p99 ${meanwhile.p99} ms meanwhile, ${usual.p50} and ${usual.p99} ms before`,
    )
    const after = new Map((await api.list()).map((view) => [view.id, view]))
    for (const { id, mode, ip } of before) {
      const view = after.get(id) as WorkspaceView
      if (mode === 'permanent') assert.equal(view.ip, ip)
      else assert.equal(view.info.failure?.code, 'host_reboot')
    }
    assert.deepEqual(await world.explain(), [])
    assert.ok(meanwhile.p99 < tookMs / 10, 'no read waits for the herd')
  } finally {
    await rm(base, { recursive: true, force: true })
  }
})

/** Ends daemon and VMs, and makes the records those of another boot of the host. */
async function rebootHost(world: World, ids: readonly string[]): Promise<void> {
  await world.kill9()
  const identities = await readIdentities(world.dataDir, ids)
  for (const { pid } of identities.values()) process.kill(pid, 'SIGKILL')
  await eventually('no VM lives', async () => (await readIdentities(world.dataDir, ids)).size === 0)
  const hostBootId = randomUUID()
  for (const id of ids) {
    const { record } = workspacePaths(world.dataDir, id)
    const value = JSON.parse(await readFile(record, 'utf8')) as { handle: object }
    await writeFile(record, JSON.stringify({ ...value, handle: { ...value.handle, hostBootId } }))
  }
}

/** Times of reads until something has happened, ms. */
async function readDuring({ tenants: [api] }: World, happened: Promise<unknown>): Promise<number[]> {
  const times: number[] = []
  let isOver = false
  void happened.finally(() => {
    isOver = true
  })
  while (!isOver) {
    const answer = await api?.send('GET', '/workspace?limit=100')
    assert.ok(answer?.kind === 'answered' && answer.status === 200, JSON.stringify(answer).slice(0, 300))
    times.push(answer.ms)
    await systemClock.sleep(20)
  }
  return times
}
