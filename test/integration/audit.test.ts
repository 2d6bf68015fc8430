/** The auditor: it finds what is planted, and calls a system clean that is. */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'node:test'
import { type Invariant, invariants } from '../../packages/server/src/audit/finding.ts'
import { leaks, type Subject } from '../support/audit-leaks.ts'
import { debuggerLeak, settledCensus, tryLeak } from '../support/audit-trial.ts'
import { type Daemon, sharedDaemon } from '../support/daemon.ts'
import { writeStubKernel } from '../support/stub-kernel.ts'

const daemonOf = sharedDaemon(async () => {
  const directory = await mkdtemp('/tmp/alcove-audit-')
  const [kernel, initrd] = [join(directory, 'kernel'), join(directory, 'initrd')]
  await writeStubKernel(kernel)
  await writeFile(initrd, Buffer.alloc(4096))
  return {
    artifacts: { kernel, initrd },
    env: { ALCOVE_TEST: '1', ALCOVE_TEST_GUEST: 'stub', NODE_OPTIONS: '--inspect-port=0' },
    ended: () => rm(directory, { recursive: true }),
  }
})

const config = { cpus: 1, memory_mb: 128, writable_size_mb: 64 }
let subject: Subject | undefined

/** One workspace that runs and one that is stopped, the same for all tests. */
async function furnished(daemon: Daemon): Promise<Subject> {
  if (subject) return subject
  const running = await daemon.workspaces.create({ image: 'busybox', config })
  const stopped = await daemon.workspaces.create({ image: 'busybox', mode: 'permanent', config })
  await daemon.workspaces.stop(stopped.id)
  subject = { dataDir: daemon.dataDir, installId: daemon.installId, running: running.id, stopped: stopped.id }
  return subject
}

test('no false alarm while workspaces are made, stopped, started and deleted', async () => {
  const daemon = daemonOf()
  await furnished(daemon)
  let isOver = false
  const load = Promise.all(
    [1, 2, 3].map(async () => {
      while (!isOver) {
        const { id } = await daemon.workspaces.create({ image: 'busybox', config })
        await daemon.workspaces.stop(id)
        await daemon.workspaces.start(id)
        await daemon.workspaces.delete(id)
      }
    }),
  )
  try {
    for (let round = 0; round < 4; round++) {
      const { exitCode, stdout, stderr } = await daemon.alcove(['doctor', '--audit', '--json', '--data-dir', daemon.dataDir, '--config', daemon.files.config])
      assert.equal(exitCode, 0, stdout || stderr)
      assert.deepEqual(JSON.parse(stdout).findings, [])
    }
  } finally {
    isOver = true
    await load
  }
})

test('clean while the daemon runs: for people one line for each invariant', async () => {
  const daemon = daemonOf()
  await furnished(daemon)
  const { exitCode, stdout, stderr } = await daemon.alcove(['doctor', '--audit', '--settled', '--data-dir', daemon.dataDir, '--config', daemon.files.config])
  assert.equal(exitCode, 0, stdout || stderr)
  assert.deepEqual(
    [...stdout.matchAll(/^ok +(N\d+) /gm)].map(([, invariant]) => invariant),
    Object.keys(invariants),
  )
})

test('a listener of the daemon that nobody asked for is found', async () => {
  const daemon = daemonOf()
  const { isFound, falseAlarms } = await tryLeak(debuggerLeak(daemon.pid, daemon.restart), await furnished(daemon))
  assert.deepEqual([isFound, falseAlarms], [true, []])
})

test('every planted leak is found and named while no daemon runs, nothing else is, and all is clean again', async (t) => {
  const daemon = daemonOf()
  const planted = await furnished(daemon)
  await daemon.kill9()
  try {
    for (const leak of leaks) {
      await t.test(`${leak.invariant}: ${leak.name}`, async () => {
        const { isFound, falseAlarms } = await tryLeak(leak, planted)
        assert.deepEqual([isFound, falseAlarms], [true, []])
      })
    }
  } finally {
    await daemon.restart()
  }
})

test('there is a leak for each invariant', () => {
  const planted = new Set<Invariant>([...leaks.map(({ invariant }) => invariant), 'N13'])
  assert.deepEqual(
    Object.keys(invariants).filter((invariant) => !planted.has(invariant as Invariant)),
    [],
  )
})

test('the audit changes nothing and needs no daemon: exit code 1 and a remedy for each finding', async () => {
  const daemon = daemonOf()
  const { dataDir, running } = await furnished(daemon)
  await daemon.kill9()
  const [leak] = leaks.filter(({ invariant }) => invariant === 'N2')
  const planted = await leak?.plant(await furnished(daemon))
  try {
    const { exitCode, stdout } = await daemon.alcove(['doctor', '--audit', '--data-dir', dataDir, '--config', daemon.files.config])
    assert.equal(exitCode, 1)
    assert.match(stdout, new RegExp(`LEAK  N2 .*\\n.*must hold.*\\n +${running}: .*start time.*\\n +remedy: restart ${running}`))
  } finally {
    await planted?.remove()
    await daemon.restart()
  }
  assert.deepEqual((await settledCensus(await furnished(daemon))).findings, [])
})
