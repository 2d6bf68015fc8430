/** kill -9 of the daemon at random moments of create, stop and delete: what was answered holds, and everything converges. */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'node:test'
import { movingStatuses } from '../../packages/contract/src/states.ts'
import { systemClock } from '../../packages/server/src/lib/clock.ts'
import { handleOf } from '../support/confining.ts'
import { type Daemon, sharedDaemon } from '../support/daemon.ts'
import { qemuProcesses } from '../support/daemon-traces.ts'
import { eventually } from '../support/vmm.ts'

const daemonOf = sharedDaemon()
const request = { image: 'busybox', config: { memory_mb: 128 + 128, writable_size_mb: 64 } }

/** Longest time between the requests and the kill, ms: about that of a boot. */
const latestKillMs = 2500
const rounds = 10

test('ten kills at random moments: what was answered holds, nothing is orphaned, everything comes to rest', async (t) => {
  const daemon = daemonOf()
  let kept = await daemon.workspaces.create(request)
  for (let round = 1; round <= rounds; round++) {
    const killAfterMs = randomInt(latestKillMs)
    await t.test(`round ${round}, killed after ${killAfterMs} ms`, async () => {
      kept = await oneRound(daemon, kept.id, killAfterMs)
    })
  }
})

async function oneRound(daemon: Daemon, id: string, killAfterMs: number) {
  const impatient = daemon.client(undefined, { maxRetries: 0 })
  const doomed = await daemon.workspaces.create(request)
  const stopped = id
  const created = settle(impatient.create({ ...request, name: `made-${killAfterMs}` }))
  const stopping = settle(impatient.stop(stopped))
  const deleting = settle(impatient.delete(doomed.id))
  await systemClock.sleep(killAfterMs)
  await daemon.kill9()
  const [create, stop, remove] = await Promise.all([created, stopping, deleting])
  await daemon.restart()

  await eventually('everything has come to rest', async () => (await statuses(daemon)).every(([, status]) => !isMoving(status)), 60_000)
  const now = new Map(await statuses(daemon))
  if (create.ok) assert.equal(now.get(create.value.id), 'running', 'a create that was answered exists')
  if (stop.ok) assert.equal(now.get(stopped), 'stopped', 'a stop that was answered holds')
  assert.ok(['running', 'stopped'].includes(now.get(stopped) ?? 'gone'), `it is ${now.get(stopped)}`)
  if (remove.ok) assert.equal(now.get(doomed.id), undefined, 'a delete that was answered holds')
  await assertExplained(daemon, now)

  for (const [other] of now) if (other !== stopped) await daemon.workspaces.delete(other)
  return daemon.workspaces.start(stopped)
}

/** Rows and host agree: one VM for each running row, a directory for each row, and no more. */
async function assertExplained(daemon: Daemon, now: ReadonlyMap<string, string>): Promise<void> {
  const running = [...now].flatMap(([id, status]) => (status === 'running' ? [id] : []))
  const processes = await qemuProcesses(daemon.installId)
  for (const id of running) {
    const handle = await handleOf(daemon.dataDir, id)
    assert.ok(
      processes.some((line) => line.startsWith(`process ${handle?.pid}:`)),
      `${id} runs`,
    )
  }
  const strangers = (await daemon.traces()).filter((line) => {
    const [id] = /ws_[a-z0-9]+/.exec(line) ?? []
    return id === undefined || !now.has(id) || (!line.startsWith('directory') && !running.includes(id))
  })
  assert.deepEqual(strangers, [], 'nothing on the host that no row explains')
  assert.deepEqual((await readdir(join(daemon.dataDir, 'vm'))).toSorted(), [...now.keys()].toSorted())
}

async function statuses(daemon: Daemon): Promise<[string, string][]> {
  return (await daemon.workspaces.list({ limit: 100 })).workspaces.map(({ id, status }) => [id, status])
}

function isMoving(status: string): boolean {
  return (movingStatuses as readonly string[]).includes(status)
}

type Outcome<T> = { readonly ok: true; readonly value: T } | { readonly ok: false }

function settle<T>(promise: Promise<T>): Promise<Outcome<T>> {
  return promise.then(
    (value) => ({ ok: true, value }),
    () => ({ ok: false }),
  )
}
