/** The CLI as a process: arguments, credentials, failures and exit codes. */
import assert from 'node:assert/strict'
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'node:test'
import { failure, startCli } from '../support/cli.ts'
import { clientId, clientSecret } from '../support/contract-server.ts'

test('help names every command, those of the server too', async (t) => {
  const { run } = await startCli(t)
  const { code, stdout, stderr } = await run('--help')
  assert.equal(code, 0)
  assert.equal(stderr, '')
  const clientNames =
    'ls create get details update rm start stop restart pause resume retry lifecycle permanent temporary ttl ping idle resources metadata ' +
    'logs events operations operation quota estimate images login'
  const names = `${clientNames} serve key config host doctor`
  for (const name of names.split(' ')) assert.match(stdout, new RegExp(`^  ${name}\\b`, 'm'), name)
  assert.match((await run('--version')).stdout, /^\d+\.\d+\.\d+\n$/)
})

test('each kind of failure has its exit code, and its message names code and request', async (t) => {
  const { run, server, env } = await startCli(t)
  const failures = [
    [2, failure('INVALID_CONFIG', 400)],
    [3, failure('not_found', 404)],
    [4, failure('MISSING_USER_ID', 401)],
    [5, failure('POOL_LIMIT_REACHED', 402)],
    [5, failure('RESOURCE_NOT_ALLOWED', 403)],
    [6, failure('conflict', 409)],
    [6, failure('precondition_failed', 412)],
    [1, failure('CREATE_FAILED', 500)],
  ] as const
  for (const [expected, fault] of failures) {
    server.failNext('*', fault)
    const { code, stdout, stderr } = await run('create', '--image', 'busybox')
    assert.equal(code, expected, stderr)
    assert.equal(stdout, '')
    assert.equal(stderr, `error: no (${JSON.parse(fault.body).code}, request req_1)\n`)
  }
  await server.close()
  assert.equal((await run('quota')).code, 7)
  env.ALCOVE_URL = ''
  assert.equal((await run('quota')).code, 4)
})

test('a refused value is explained with its details', async (t) => {
  const { run, server } = await startCli(t)
  const { id } = server.addWorkspace()
  const { code, stderr } = await run('update', id, '--cpus', '99')
  assert.equal(code, 2)
  assert.equal(stderr, 'error: config.cpus must be <= 32 (INVALID_CONFIG, request req_body)\n  field: config.cpus\n  allowed: {"comparison":"<=","limit":32}\n')
})

test('mistakes in the arguments are told before anything is sent', async (t) => {
  const { run, server } = await startCli(t)
  const mistakes = [
    ['nonsense'],
    ['create'],
    ['create', '--image', 'x', '--memory', 'lots'],
    ['create', '--image', 'x', 'node'],
    ['get'],
    ['update', 'ws_1'],
    ['logs', 'ws_1', '--source', 'x'],
    ['ls', '--bad'],
  ]
  for (const args of mistakes) {
    const { code, stdout, stderr } = await run(...args)
    assert.equal(code, 2, args.join(' '))
    assert.equal(stdout, '')
    assert.match(stderr, /^error: .*\(usage\)\n$/, args.join(' '))
  }
  assert.equal(server.requests.length, 0)
})

test('with --json every failure is one envelope on standard output', async (t) => {
  const { run } = await startCli(t)
  for (const [args, code] of [
    [['get', 'ws_none', '--json'], 'not_found'],
    [['create', '--json'], 'usage'],
    [['get', 'none', '--json'], 'not_found'],
  ] as const) {
    const result = await run(...args)
    assert.equal(result.stderr, '')
    const envelope = JSON.parse(result.stdout)
    assert.equal(envelope.success, false)
    assert.equal(envelope.code, code)
    assert.equal(envelope.error, code)
    assert.equal(typeof envelope.message, 'string')
  }
})

test('a workspace is found by its name if only one has it', async (t) => {
  const { run, server } = await startCli(t)
  const { id } = server.addWorkspace({ name: 'web' })
  server.addWorkspace({ name: 'twin' })
  server.addWorkspace({ name: 'twin' })
  assert.match((await run('get', 'web')).stdout, new RegExp(`^id +${id}$`, 'm'))
  assert.equal((await run('get', 'we')).code, 3)
  const twin = await run('rm', 'twin', '-y')
  assert.equal(twin.code, 2)
  assert.match(twin.stderr, /2 workspaces are called twin; give an id: ws_/)
  assert.equal(server.workspaces.size, 3)
})

test('an interrupt ends a call in flight with 130', async (t) => {
  const { start, server } = await startCli(t)
  server.failNext('*', { kind: 'hang' })
  const creating = start('create', '--image', 'busybox')
  await server.seen(1)
  creating.child.kill('SIGINT')
  const { code, stderr } = await creating.result
  assert.equal(code, 130)
  assert.match(stderr, /^error: interrupted/)
})

test('login keeps the file of the daemon for its owner only, and other commands use it', async (t) => {
  const { run, server, home, env } = await startCli(t)
  const file = join(home, 'daemon.json')
  await writeFile(file, JSON.stringify({ url: server.url, clientId, clientSecret }))
  env.ALCOVE_URL = env.ALCOVE_CLIENT_ID = env.ALCOVE_CLIENT_SECRET = ''
  const { code, stdout } = await run('login', '--file', file)
  assert.equal(code, 0)
  assert.doesNotMatch(stdout, new RegExp(clientSecret))
  const kept = join(home, '.config/alcove/credentials.json')
  assert.equal((await stat(kept)).mode & 0o777, 0o600)
  assert.deepEqual(JSON.parse(await readFile(kept, 'utf8')), { url: server.url, clientId, clientSecret })
  assert.equal((await run('quota')).code, 0)
  // Flags win over the environment, the environment over the file.
  env.ALCOVE_CLIENT_SECRET = 'wrong'
  assert.equal((await run('quota')).code, 4)
  assert.equal((await run('quota', '--client-secret', clientSecret)).code, 0)
  env.ALCOVE_CLIENT_SECRET = ''
  env.ALCOVE_CREDENTIALS = join(home, 'absent.json')
  assert.equal((await run('quota')).code, 4)
  env.ALCOVE_CREDENTIALS = file
  assert.equal((await run('quota')).code, 0)
  await writeFile(file, '{')
  assert.equal((await run('login', '--file', file)).code, 4)
})
