/** The CLI as a process: making, showing, changing and deleting workspaces, and their logs. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { startCli } from '../support/cli.ts'
import { setStatus } from '../support/contract-server.ts'

test('ls prints a table for people and the answer for machines', async (t) => {
  const { run, server } = await startCli(t)
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
  const { run, server } = await startCli(t)
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
  const { run, server } = await startCli(t)
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

test('get, details, update, start, stop, restart, quota and images print for people and machines', async (t) => {
  const { run, server } = await startCli(t)
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
  const { run, server } = await startCli(t)
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
  const { run, start, server } = await startCli(t)
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
