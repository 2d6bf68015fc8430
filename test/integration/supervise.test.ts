/** A daemon under its supervisor: what brings it back, and that neither needs the other. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import test, { after } from 'node:test'
import { systemClock } from '../../packages/server/src/lib/clock.ts'
import { runAny } from '../../packages/server/src/lib/subprocess.ts'
import { findProcess, readCommandLine } from '../../packages/server/src/vmm/qemu/proc.ts'
import { sharedDaemon } from '../support/daemon.ts'
import { plainEnvironment, program } from '../support/daemon-process.ts'
import { eventually } from '../support/vmm.ts'

/** Longest wait for anything; a start of Node alone takes seconds on a busy machine. */
const waitMs = 90_000

/** It makes no virtual machine. Port 0 would be another one in each life. */
const daemonOf = sharedDaemon(async () => ({
  artifacts: null,
  flags: ['--supervise', '--listen', `127.0.0.1:${await freePort()}`],
  env: { ALCOVE_TEST: '1', ALCOVE_TEST_FAULTS: 'signals' },
}))

/** Daemons that lost their supervisor in a test that failed. */
after(async () => {
  for (const { pid } of lines(started)) if ((await readCommandLine(Number(pid))).includes(daemonOf().dataDir)) process.kill(Number(pid), 'SIGKILL')
})

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Lines with a message in the log, of supervisor and daemon, since a moment. */
function lines(msg: string, since = 0): Readonly<Record<string, unknown>>[] {
  return daemonOf()
    .log()
    .slice(since)
    .flatMap((line) => {
      const parsed = line.startsWith('{') ? JSON.parse(line) : {}
      return parsed.msg === msg ? [parsed] : []
    })
}

/** A moment in the log. */
const now = () => daemonOf().log().length
const started = 'the daemon was started'
const endedByItself = 'the daemon has ended by itself; it is started again'

/** Waits until a daemon that was started since a moment serves, at the one address there is; returns its pid. */
async function serving(since = 0): Promise<number> {
  await eventually('the daemon serves', async () => lines('serving', since).length > 0 && (await answers()), waitMs)
  return Number(lines(started, since).at(-1)?.pid)
}

const answers = () =>
  fetch(`${daemonOf().url}/health`, { signal: AbortSignal.timeout(2000) }).then(
    ({ ok }) => ok,
    () => false,
  )

const isGone = (pid: number) => eventually(`process ${pid} is gone`, async () => !(await findProcess(pid)), waitMs)

test('a daemon that is killed is back at the same address', async () => {
  const since = now()
  const first = await serving()
  assert.notEqual(first, daemonOf().pid())
  process.kill(first, 'SIGKILL')
  const second = await serving(since)
  assert.notEqual(second, first)
  // The first key still opens: it is the same installation.
  assert.equal((await daemonOf().workspaces.list()).workspaces.length, 0)
  const [end] = lines(endedByItself, since)
  assert.deepEqual([end?.exitCode, end?.signal, end?.restartInMs], [null, 'SIGKILL', 100])
})

for (const [signal, what] of [
  ['SIGPWR', 'thrown'],
  ['SIGIO', 'rejected'],
] as const) {
  test(`an error that is ${what} and not caught is logged and ends the daemon, which is started again`, async () => {
    const pid = await serving()
    const since = now()
    process.kill(pid, signal)
    assert.notEqual(await serving(since), pid)
    const [line, ...more] = lines('an error was not caught; ending', since)
    assert.deepEqual([line?.level, more.length], [60, 0])
    assert.match(JSON.stringify(line?.err), new RegExp(`"message":"test fault: ${what}","stack":"Error: test fault`))
    assert.equal(lines(endedByItself, since)[0]?.exitCode, 1)
  })
}

test('a daemon whose event loop stands still is killed and started again', async () => {
  const pid = await serving()
  const since = now()
  process.kill(pid, 'SIGUSR2')
  assert.notEqual(await serving(since), pid)
  const [killed] = lines('the daemon gives no sign of life; it is killed', since)
  assert.equal(killed?.pid, pid)
  assert.ok(Number(killed.silentMs) >= 10_000, `${killed.silentMs} ms`)
  assert.equal(lines(endedByItself, since)[0]?.signal, 'SIGKILL')
})

test('a second supervisor on the same data directory is told so and gives up; the first daemon serves on', async () => {
  const { dataDir, files } = daemonOf()
  const pid = await serving()
  const flags = ['--data-dir', dataDir, '--config', files.config, '--listen', '127.0.0.1:0']
  const second = await runAny([program, 'serve', '--supervise', ...flags], { env: plainEnvironment(), timeoutMs: waitMs })
  assert.equal(second.exitCode, 3)
  assert.match(second.stderr, /Another Alcove daemon serves .* Stop it first: script\/down/)
  assert.ok(await findProcess(pid))
  assert.ok(await answers())
})

test('SIGTERM to the supervisor ends a daemon that stands still, too', async () => {
  const pid = await serving()
  process.kill(pid, 'SIGUSR2')
  await eventually('the daemon stands still', async () => !(await answers()), waitMs)
  await daemonOf().end()
  assert.equal(daemonOf().exitCode(), 1)
  assert.equal(await findProcess(pid), undefined)
})

test('SIGTERM to the supervisor ends both with 0', async () => {
  await daemonOf().restart()
  const pid = await serving()
  const since = now()
  await daemonOf().end()
  assert.equal(daemonOf().exitCode(), 0)
  assert.equal(await findProcess(pid), undefined)
  assert.equal(lines('ending; virtual machines go on', since).length, 1)
})

test('SIGTERM to the daemon itself ends both: it was asked to', async () => {
  const since = now()
  await daemonOf().restart()
  process.kill(await serving(since), 'SIGTERM')
  await eventually('the supervisor has ended', async () => daemonOf().exitCode() !== null, waitMs)
  assert.equal(daemonOf().exitCode(), 0)
})

test('when the supervisor is killed the daemon serves and logs on', async () => {
  const start = now()
  await daemonOf().restart()
  const pid = await serving(start)
  const since = now()
  await daemonOf().kill9()
  // Longer than the time between two signs of life, to one who is no more.
  for (let second = 0; second < 3; second++) {
    await systemClock.sleep(1000)
    assert.ok(await answers())
  }
  assert.equal(lines(started, since).length, 0)
  process.kill(pid, 'SIGTERM')
  await isGone(pid)
  assert.equal(lines('ending; virtual machines go on', since).length, 1, 'it could still write')
})

test('a mistake in the configuration is not retried', async (t) => {
  const base = await mkdtemp('/tmp/supervise-')
  t.after(() => rm(base, { recursive: true, force: true }))
  const config = join(base, 'config.yaml')
  await writeFile(config, 'nonsense: 1\n')
  const { exitCode, stderr, stdout } = await runAny([program, 'serve', '--supervise', '--config', config], { env: plainEnvironment(), timeoutMs: waitMs })
  assert.equal(exitCode, 2)
  assert.match(stderr, /config\.yaml:1: nonsense/)
  assert.equal(stdout.match(/the daemon was started/g)?.length, 1)
})
