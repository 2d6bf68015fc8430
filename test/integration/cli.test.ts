/** The CLI as a process: what scripts and people see of it. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type ContractServer, clientId, clientSecret, setStatus, startContractServer } from '../support/contract-server.ts'

const main = fileURLToPath(new URL('../../packages/cli/src/main.ts', import.meta.url))

interface Result {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

interface Cli {
  readonly server: ContractServer
  readonly home: string
  readonly env: Record<string, string>
  /** Runs to the end. */
  run(...args: string[]): Promise<Result>
  /** Starts, and gives what is needed to watch and end it. */
  start(...args: string[]): { child: ChildProcess; result: Promise<Result>; seen(pattern: RegExp): Promise<void> }
}

async function setUp(t: TestContext): Promise<Cli> {
  const server = await startContractServer()
  const home = await mkdtemp(join(tmpdir(), 'alcove-cli-'))
  t.after(async () => {
    await server.close()
    await rm(home, { recursive: true, force: true })
  })
  const env = { HOME: home, ALCOVE_URL: server.url, ALCOVE_CLIENT_ID: clientId, ALCOVE_CLIENT_SECRET: clientSecret }
  const start: Cli['start'] = (...args) => {
    const child = spawn(process.execPath, ['--conditions=source', main, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    t.after(() => child.kill('SIGKILL'))
    let stdout = ''
    let stderr = ''
    const watchers = new Set<() => void>()
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
      for (const watcher of watchers) watcher()
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text
      for (const watcher of watchers) watcher()
    })
    const result = once(child, 'close').then(([code]) => ({ code, stdout, stderr }) as Result)
    const seen = (pattern: RegExp) =>
      new Promise<void>((resolve, reject) => {
        const look = () => pattern.test(stdout + stderr) && resolve()
        watchers.add(look)
        look()
        void result.then(() => reject(new Error(`ended without ${pattern}: ${stdout}${stderr}`)))
      })
    return { child, result, seen }
  }
  return { server, home, env, start, run: (...args) => start(...args).result }
}

const error = (code: string, status: number) =>
  ({ kind: 'answer', status, body: JSON.stringify({ success: false, error: code, code, message: 'no', requestId: 'req_1' }) }) as const

test('help names every command, those of the server too', async (t) => {
  const { run } = await setUp(t)
  const { code, stdout, stderr } = await run('--help')
  assert.equal(code, 0)
  assert.equal(stderr, '')
  const names = 'ls create get details update rm start stop restart logs quota images login serve key config host doctor'
  for (const name of names.split(' ')) assert.match(stdout, new RegExp(`^  ${name}\\b`, 'm'), name)
  assert.match((await run('--version')).stdout, /^\d+\.\d+\.\d+\n$/)
})

test('ls prints a table for people and the answer for machines', async (t) => {
  const { run, server } = await setUp(t)
  server.addWorkspace({ name: 'evil\u001b[2J\nname' })
  const { id } = server.addWorkspace({ name: 'web' })
  const table = await run('ls')
  assert.equal(table.code, 0)
  assert.equal(table.stderr, '', 'nothing spins without a terminal')
  const lines = table.stdout.trimEnd().split('\n')
  assert.match(lines[0] ?? '', /^ID +NAME +STATUS +IMAGE +IP +CPUS +MEMORY +DISK +UPTIME$/)
  assert.match(lines[1] ?? '', new RegExp(`^${id}  web .*running  node-20  10\\.0\\.0\\.15 +2 +2G +1G +1h2m$`))
  assert.match(lines[2] ?? '', /evil\\x1b\[2J\\nname/)
  assert.equal(lines.length, 3)
  const json = JSON.parse((await run('ls', '--json', '--mode', 'permanent')).stdout)
  assert.equal(json.success, true)
  assert.equal(json.total, 2)
  assert.equal(json.workspaces[0].id, id)
  assert.equal(server.requests.at(-1)?.query.mode, 'permanent')
  assert.equal((await run('ls', '-q', '--limit', '1')).stdout, `${id}\n`)
})

test('create sends what the options say and prints what was made', async (t) => {
  const { run, server } = await setUp(t)
  const options = '--image node-20 --name web --namespace prod --mode permanent --type t --cpus 2 --memory 2g --disk 512m -e A=1 --env B=x=y --ttl 1h'
  const more = '--ttl-action remove --restart-policy always --max-restarts 3 --no-internet --static-ip --ssh --wait-for-init --remove-on-exit --no-keep-logs'
  const { code, stdout, stderr } = await run('create', ...options.split(' '), ...more.split(' '), '--proxy', '7', '--', 'node', '--version', '--json')
  assert.equal(stderr, '')
  assert.equal(code, 0)
  assert.match(stdout, /^id {6}ws_\w+\nname {4}web\nstatus {2}running\nip {6}10\.0\.0\.15\n$/)
  assert.deepEqual(server.requests[0]?.body, {
    image: 'node-20',
    name: 'web',
    namespace: 'prod',
    mode: 'permanent',
    type: 't',
    config: {
      cpus: 2,
      memory_mb: 2048,
      writable_size_mb: 512,
      env: [
        { key: 'A', value: '1' },
        { key: 'B', value: 'x=y' },
      ],
      ttl: '1h',
      ttl_action: 'remove',
      restart_policy: 'always',
      max_restarts: 3,
      remove_on_exit: true,
      keep_logs: false,
      static_network: true,
      network_config: { allow_internet: false },
      ssh_access: true,
      wait_for_init: true,
      proxy_assignment_id: 7,
      cmd: ['node', '--version', '--json'],
    },
  })
  await run('create', '-i', 'busybox', '--idempotency-key', 'mine')
  assert.deepEqual(server.requests[1]?.body, { image: 'busybox' })
  assert.equal(server.requests[1]?.headers['idempotency-key'], 'mine')
})

test('create waits for an image that is being built and says how far it is', async (t) => {
  const { run, server } = await setUp(t)
  server.createdStatus = 'creating'
  let looks = 0
  server.onLook = (workspace) => {
    looks++
    workspace.provisioning = { state: 'running', phase: 'preparing', message: `building node-20: step ${looks} of 2`, error: null }
    if (looks === 3) setStatus(workspace, 'running')
  }
  const { code, stdout, stderr } = await run('create', '--image', 'node-20')
  assert.equal(code, 0)
  assert.match(stderr, /step 1 of 2\n.*step 2 of 2\n/)
  assert.match(stdout, /^status {2}running$/m)
  const atOnce = JSON.parse((await run('create', '--image', 'node-20', '--no-wait', '--json')).stdout)
  assert.equal(atOnce.workspace.info.status, 'creating')
})

test('each kind of failure has its exit code, and its message names code and request', async (t) => {
  const { run, server, env } = await setUp(t)
  const failures = [
    [2, error('INVALID_CONFIG', 400)],
    [3, error('not_found', 404)],
    [4, error('MISSING_USER_ID', 401)],
    [5, error('POOL_LIMIT_REACHED', 402)],
    [5, error('RESOURCE_NOT_ALLOWED', 403)],
    [6, error('conflict', 409)],
    [1, error('CREATE_FAILED', 500)],
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
  const { run, server } = await setUp(t)
  const { id } = server.addWorkspace()
  const { code, stderr } = await run('update', id, '--cpus', '99')
  assert.equal(code, 2)
  assert.equal(stderr, 'error: config.cpus must be 1 to 32 (INVALID_CONFIG, request req_body)\n  field: config.cpus\n  allowed: 1 to 32\n')
})

test('mistakes in the arguments are told before anything is sent', async (t) => {
  const { run, server } = await setUp(t)
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
  const { run } = await setUp(t)
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
  const { run, server } = await setUp(t)
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

test('get, details, update, start, stop, restart, quota and images print for people and machines', async (t) => {
  const { run, server } = await setUp(t)
  const { id } = server.addWorkspace()
  const calls = [
    [['get', id], /^status +running$/m, 'workspace'],
    [['details', id], /^memory +230 of 512 MiB \(45\.2 %\)$/m, 'workspace'],
    [['update', id, '--name', 'new'], /^name +new$/m, 'workspace'],
    [['stop', id], new RegExp(`^${id} stopped 10\\.0\\.0\\.15\\n$`), 'workspace'],
    [['start', id, '--force'], new RegExp(`^${id} running 10\\.0\\.0\\.15\\n$`), 'workspace'],
    [['restart', id], new RegExp(`^${id} running 10\\.0\\.0\\.15\\n$`), 'workspace'],
    [['quota'], /^memory +4G of 16G +2G of 8G +128M to 4G$/m, 'pool_usage'],
    [['images'], /^node-20 +alcove\/node:20 +absent +- +runtime +Node\.js on Debian$/m, 'images'],
  ] as const
  for (const [args, expected, key] of calls) {
    const people = await run(...args)
    assert.equal(people.code, 0, people.stderr)
    assert.match(people.stdout, expected)
    assert.doesNotMatch(people.stdout, /eyJ/, 'a token is not for the screen')
    const machines = JSON.parse((await run(...args, '--json')).stdout)
    assert.equal(machines.success, true)
    assert.ok(key in machines, args.join(' '))
  }
  assert.deepEqual(server.requests.find(({ path }) => path.endsWith('/start'))?.body, { force: true })
})

test('rm deletes several workspaces and reports each that failed', async (t) => {
  const { run, server } = await setUp(t)
  const [one, two, three] = [server.addWorkspace(), server.addWorkspace(), server.addWorkspace()].map(({ id }) => id)
  const { code, stdout, stderr } = await run('rm', `${one}`, 'ws_none', `${two}`)
  assert.equal(code, 3)
  assert.equal(stdout, `${one}\n${two}\n`)
  assert.match(stderr, /^error: no workspace ws_none.*not_found/)
  const result = await run('rm', '--json', `${three}`, 'ws_none')
  assert.equal(result.code, 3)
  const json = JSON.parse(result.stdout)
  assert.deepEqual([json.success, json.code, json.deleted, json.failed[0].workspace], [false, 'not_found', [three], 'ws_none'])
})

test('logs prints the last lines, and -f what is added until the workspace is gone', async (t) => {
  const { run, start, server } = await setUp(t)
  const { id } = server.addWorkspace()
  server.logs.set(id, 'one\ntwo\nthree\n')
  assert.equal((await run('logs', id, '--tail', '2')).stdout, 'two\nthree\n')
  assert.deepEqual(JSON.parse((await run('logs', id, '--source', 'boot', '--json')).stdout), { success: true, logs: 'one\ntwo\nthree\n', source: 'boot' })
  const following = start('logs', id, '-f', '--tail', '1')
  await following.seen(/three\n/)
  server.failNext('*', { kind: 'answer', status: 503, body: '', headers: { 'retry-after': '3600' } })
  server.logs.set(id, 'one\ntwo\nthree\nfo')
  await following.seen(/fo/)
  server.logs.set(id, 'one\ntwo\nthree\nfour\n')
  await following.seen(/four\n/)
  server.logs.set(id, 'rotated\n')
  await following.seen(/rotated\n/)
  server.workspaces.delete(id)
  const { code, stdout, stderr } = await following.result
  assert.equal(code, 0)
  assert.equal(stdout, 'three\nfour\nrotated\n')
  assert.match(stderr, /503; trying again\nthe workspace is gone\n$/)
})

test('an interrupt ends a call in flight with 130', async (t) => {
  const { start, server } = await setUp(t)
  server.failNext('*', { kind: 'hang' })
  const creating = start('create', '--image', 'busybox')
  await server.seen(1)
  creating.child.kill('SIGINT')
  const { code, stderr } = await creating.result
  assert.equal(code, 130)
  assert.match(stderr, /^error: interrupted/)
})

test('login keeps the file of the daemon for its owner only, and other commands use it', async (t) => {
  const { run, server, home, env } = await setUp(t)
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
