/** Commands on the host, and the daemon as a process. */
import assert from 'node:assert/strict'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'node:test'
import { handleOf } from '../support/confining.ts'
import { sharedDaemon } from '../support/daemon.ts'
import { staying, untilLogged } from '../support/guest-log.ts'

const daemonOf = sharedDaemon({ config: { logLevel: 'debug', plans: { tiny: { label: 'Tiny', maxSandboxes: 1 } } } })
const places = () => ['--data-dir', daemonOf().dataDir, '--config', daemonOf().files.config, '--artifacts', daemonOf().files.artifacts]

test('the first start leaves credentials that only their owner can read, and they work', async () => {
  const { dataDir, url } = daemonOf()
  const path = join(dataDir, 'credentials.json')
  assert.equal((await stat(path)).mode & 0o777, 0o600)
  const credentials = JSON.parse(await readFile(path, 'utf8')) as Record<string, string>
  assert.deepEqual(Object.keys(credentials).toSorted(), ['clientId', 'clientSecret', 'url'])
  assert.equal(credentials.url, url)
  assert.equal((await daemonOf().alcove(['ls'])).exitCode, 0)
})

test('a second daemon on the same data directory refuses, says why, and harms nothing', async () => {
  const daemon = daemonOf()
  const second = await daemon.alcove(['serve', ...places(), '--listen', '127.0.0.1:0'])
  assert.equal(second.exitCode, 3)
  assert.match(second.stderr, new RegExp(`Another Alcove daemon serves ${daemon.dataDir} .*script/down`))
  assert.equal((await fetch(`${daemon.url}/health`)).status, 200)
})

test('SIGTERM ends the daemon and leaves the VMs running', async () => {
  const daemon = daemonOf()
  const { id } = await daemon.workspaces.create({ image: 'busybox', config: { memory_mb: 256, cmd: staying('echo up') } })
  await untilLogged(daemon.workspaces, id, /up/)
  const handle = await handleOf(daemon.dataDir, id)
  await daemon.end()
  assert.ok(
    (await daemon.traces()).some((line) => line.startsWith(`process ${handle?.pid}:`)),
    'the VM runs',
  )
  const refused = await daemon.alcove(['host', 'clean', ...places()])
  assert.notEqual(refused.exitCode, 0, 'the host is not cleaned under a running VM')
  assert.match(refused.stderr, new RegExp(id))
  await daemon.restart()
  assert.equal((await daemon.workspaces.get(id)).status, 'running')
  assert.deepEqual(await handleOf(daemon.dataDir, id), handle)
  assert.equal((await daemon.alcove(['host', 'clean', ...places()])).exitCode, 3, 'nor under a running daemon')
  await daemon.workspaces.delete(id)
})

test('key create works while the daemon runs, makes the account, and the key is good at once', async () => {
  const daemon = daemonOf()
  const key = await daemon.key('acme', 'tiny')
  assert.deepEqual(Object.keys(key).toSorted(), ['accountId', 'clientId', 'clientSecret'])
  const quota = await daemon.client(key).quota()
  assert.deepEqual([quota.plan, quota.planLabel, quota.maxSandboxes], ['tiny', 'Tiny', 1])
  // A second key is of the same account; a secret of another key is of no use.
  const other = await daemon.key('acme')
  assert.equal((await daemon.client(other).quota()).plan, 'tiny')
  await assert.rejects(daemon.client({ clientId: key.clientId, clientSecret: other.clientSecret }, { maxRetries: 0 }).quota(), { status: 401 })
  const refused = await daemon.alcove(['key', 'create', ...places(), '--account', 'x', '--plan', 'huge'])
  assert.equal(refused.exitCode, 2)
  assert.match(refused.stderr, /no plan "huge".*tiny/)
})

test('config show prints every value and where it came from', async () => {
  const daemon = daemonOf()
  const shown = await daemon.alcove(['config', 'show', ...places(), '--json'])
  assert.equal(shown.exitCode, 0, shown.stderr)
  const text = await daemon.alcove(['config', 'show', ...places()])
  assert.match(text.stdout, /logLevel.*debug.*config\.yaml:1/)
  assert.match(text.stdout, /dataDir.*flag --data-dir/)
  assert.match(text.stdout, /stopGraceSeconds.*15.*default/)
})

test('doctor is content with this host, and names the fix of what is missing', async () => {
  const daemon = daemonOf()
  const good = await daemon.alcove(['doctor', ...places(), '--json'])
  const { checks, ok } = JSON.parse(good.stdout) as { ok: boolean; checks: { name: string; ok: boolean; fix?: string }[] }
  assert.deepEqual([good.exitCode, ok], [0, true], good.stdout)
  assert.ok(checks.length > 10)
  const bad = await daemon.alcove(['doctor', '--data-dir', daemon.dataDir, '--artifacts', join(daemon.dataDir, 'none.json')])
  assert.equal(bad.exitCode, 1)
  assert.match(bad.stdout, /^FAIL .*guest kernel and agent.*\n\s+fix: script\/bootstrap$/m)
})

test('a mistake in the configuration is told with line and key, and nothing starts', async () => {
  const daemon = daemonOf()
  const refused = await daemon.alcove(['serve', '--data-dir', daemon.dataDir, '--config', daemon.files.config, '--default-plan', 'hughe'])
  assert.equal(refused.exitCode, 2)
  assert.match(refused.stderr, /flag --default-plan: defaultPlan must be one of/)
})

test('the client commands take a workspace through its life', async () => {
  const { alcove } = daemonOf()
  const ok = async (...args: string[]) => {
    const { exitCode, stdout, stderr } = await alcove(args)
    assert.equal(exitCode, 0, `alcove ${args.join(' ')}: ${stderr}`)
    return stdout
  }
  const made = JSON.parse(await ok('create', '--image', 'busybox', '--name', 'by-hand', '--memory', '256', '--json', '--', 'echo', 'hello from the VM')) as {
    workspace: { id: string }
  }
  const { id } = made.workspace
  assert.match(await ok('ls'), new RegExp(`${id}.*by-hand|by-hand.*${id}`))
  assert.match(await ok('get', 'by-hand'), new RegExp(id))
  assert.match(await ok('details', id), /kernel|memory/i)
  await untilLogged(daemonOf().workspaces, id, /hello from the VM/)
  assert.match(await ok('logs', id), /hello from the VM/)
  await ok('update', id, '--name', 'renamed')
  assert.match(await ok('stop', 'renamed'), /stopped/)
  assert.match(await ok('start', 'renamed'), /running/)
  assert.match(await ok('restart', id), /running/)
  assert.match(await ok('quota'), /Self-hosted/)
  assert.match(await ok('images'), /node-20/)
  await ok('rm', id)
  assert.equal((await alcove(['get', id])).exitCode, 3)
})
