/** The CLI as a process: the life of a workspace, its resources and metadata. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { startCli } from '../support/cli.ts'
import { setStatus } from '../support/contract-server.ts'

test('pause, resume and retry print the workspace and keep or make a boot', async (t) => {
  const { run, server } = await startCli(t)
  const workspace = server.addWorkspace()
  const { id } = workspace
  assert.equal((await run('pause', id)).stdout, `${id} paused 10.0.0.15\n`)
  assert.equal(JSON.parse((await run('resume', id, '--json')).stdout).workspace.generation, 1)
  setStatus(workspace, 'failed')
  assert.equal((await run('pause', id)).code, 6)
  assert.equal((await run('retry', id)).stdout, `${id} running 10.0.0.15\n`)
  assert.match((await run('get', id)).stdout, /^generation +2$/m)
})

test('a change that is meant for an earlier boot is refused with 6, and one key acts once', async (t) => {
  const { run, server } = await startCli(t)
  const { id } = server.addWorkspace()
  await run('restart', id)
  for (const args of [
    ['stop', id],
    ['rm', id],
    ['start', id],
    ['pause', id],
    ['ttl', id, '1h'],
    ['update', id, '--name', 'x'],
    ['resources', id, '--cpus', '1'],
  ]) {
    const { code, stderr } = await run(...args, '--if-generation', '1')
    assert.deepEqual([code, stderr.includes('(precondition_failed')], [6, true], stderr)
  }
  assert.equal((await run('stop', id, '--if-generation', '2')).code, 0)
  for (let round = 0; round < 2; round++) assert.equal((await run('restart', id, '--idempotency-key', 'mine')).code, 0)
  assert.equal(server.workspaces.get(id)?.generation, 3)
  const mismatch = await run('stop', id, '--idempotency-key', 'mine', '--json')
  assert.deepEqual([mismatch.code, JSON.parse(mismatch.stdout).code], [6, 'idempotency_mismatch'])
})

test('lifecycle shows mode, time to live, restarts and the last exit', async (t) => {
  const { run, server } = await startCli(t)
  const { id } = server.addWorkspace()
  const exit = {
    cause: 'guest_panic',
    clean: false,
    exit_code: 3,
    signal: null,
    requested_by: null,
    message: 'kernel panic',
    at: '2026-02-24T10:40:00Z',
  } as const
  server.held(id).restarts = { restart_count: 2, max_restarts: 5, gave_up: false, next_attempt_at: '2026-02-24T10:41:00Z', last_exit: exit }
  server.held(id).life.idle = { suspend_after: 300, stop_after: 7200 }
  const { stdout } = await run('lifecycle', id)
  const lines = [
    'mode            permanent',
    'status          running',
    'time to live    none',
    'restart policy  always, at most 5 times',
    'restarts        2',
    'next attempt    2026-02-24T10:41:00Z',
    'last exit       kernel panic (guest_panic, exit code 3, 2026-02-24T10:40:00Z)',
    'idle            sleeps after 5m0s, is stopped after 2h0m more (without effect: this machine monitor cannot)',
  ]
  assert.equal(stdout, `${lines.join('\n')}\n`)
  assert.equal(JSON.parse((await run('lifecycle', id, '--json')).stdout).restart_info.restart_count, 2)
})

test('temporary, ttl, ping, idle and permanent send what they say and print what came of it', async (t) => {
  const { run, server } = await startCli(t)
  const { id } = server.addWorkspace()
  const expires = `${id} temporary, expires 2026-02-24T11:30:00Z\n`
  const calls = [
    [['temporary', id, '--ttl', '1h', '--ttl-action', 'remove', '--remove-on-exit'], { ttl: '1h', ttl_action: 'remove', remove_on_exit: true }, expires],
    [['temporary', id, '--no-remove-on-exit'], { remove_on_exit: false }, expires],
    [['ttl', id, '30m', '--action', 'pause'], { ttl: '30m', ttl_action: 'pause' }, expires],
    [['ping', id], undefined, `${id} expires 2026-02-24T11:30:00Z\n`],
    [['ping', id, '--ttl', '2h'], { ttl_seconds: 7200 }, `${id} expires 2026-02-24T11:30:00Z\n`],
    [['ttl', id, 'none'], { ttl: null }, `${id} temporary\n`],
    [['idle', id, '5m', '--stop-after', '2h'], { suspend_after: '5m', stop_after: '2h' }, `${id} sleeps after 5m0s, is stopped after 2h0m more\n`],
    [['idle', id, 'off'], { suspend_after: 0 }, `${id} never sleeps\n`],
    [['permanent', id, '--restart-policy', 'on-failure'], { restart_policy: 'on-failure' }, `${id} permanent\n`],
    [['ping', id], undefined, `${id} does not expire\n`],
  ] as const
  for (const [args, body, printed] of calls) {
    const { stdout, stderr } = await run(...args)
    assert.equal(stdout, printed, stderr)
    assert.deepEqual(server.requests.at(-1)?.body, body)
  }
  assert.equal(server.held(id).life.restart_policy, 'on-failure')
  assert.deepEqual(JSON.parse((await run('idle', id, '5m', '--json')).stdout), { success: true, idle: { suspend_after: 300, stop_after: 0 } })
})

test('resources shows without options and changes with them', async (t) => {
  const { run, server } = await startCli(t)
  const { id } = server.addWorkspace()
  assert.equal((await run('resources', id)).stdout, 'cpus    2\nmemory  2G\ndisk    1G\nstatus  running\n')
  assert.equal((await run('resources', id, '--cpus', '4', '--disk', '2g')).stdout, 'cpus       4\ndisk       2G\nrestarted  no\n')
  assert.match((await run('resources', id)).stdout, /^status {2}running \(changed settings wait for the next start\)$/m)
  assert.deepEqual(JSON.parse((await run('resources', id, '--memory', '1g', '--apply', '--json')).stdout), {
    success: true,
    updated: { memory_mb: 1024 },
    relaunched: true,
  })
  assert.equal((await run('resources', id, '--disk', '64m')).code, 2)
})

test('metadata is shown, set and removed', async (t) => {
  const { run, server } = await startCli(t)
  const { id } = server.addWorkspace()
  assert.equal((await run('metadata', id)).stdout, 'KEY  VALUE\n')
  await run('metadata', id, 'owner=anna', 'query=a=b')
  assert.equal((await run('metadata', id, 'owner=')).stdout, 'KEY    VALUE\nquery  a=b\n')
  assert.deepEqual(JSON.parse((await run('metadata', id, '--json')).stdout), { success: true, metadata: { query: 'a=b' } })
})

test('estimate says what a size costs', async (t) => {
  const { run, server } = await startCli(t)
  assert.match(
    (await run('estimate', '--cpus', '2', '--memory', '1g', '--disk', '2g')).stdout,
    /^at least +[\d.]+ EUR an hour\non average +[\d.]+ EUR an hour\n/,
  )
  assert.deepEqual(server.requests[0]?.query, { cpu: '2', ram_mb: '1024', disk_mb: '2048' })
  assert.equal(JSON.parse((await run('estimate', '--json')).stdout).period, 'hour')
})

test('mistakes in the life of a workspace are told before anything is sent', async (t) => {
  const { run, server } = await startCli(t)
  const mistakes = [
    ['ttl', 'ws_1'],
    ['ttl', 'ws_1', 'soon'],
    ['ping', 'ws_1', '--ttl', 'none'],
    ['idle', 'ws_1', 'none'],
    ['idle', 'ws_1', 'off', '--stop-after', '1h'],
    ['metadata', 'ws_1', 'owner'],
    ['rm', 'ws_1', 'ws_2', '--if-generation', '1'],
    ['stop', 'ws_1', '--if-generation', 'x'],
    ['events'],
  ]
  for (const args of mistakes) {
    const { code, stderr } = await run(...args)
    assert.equal(code, 2, args.join(' '))
    assert.match(stderr, /^error: .*\(usage\)\n$/, args.join(' '))
  }
  assert.equal(server.requests.length, 0)
})
