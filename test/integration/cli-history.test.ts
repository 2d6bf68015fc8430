/** The CLI as a process: what was done with workspaces, and what happens to them. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { startCli } from '../support/cli.ts'

test('operations and operation show what was done, newest first, also of a deleted workspace', async (t) => {
  const { run, server } = await startCli(t)
  const { id } = server.addWorkspace()
  await run('stop', id)
  await run('rm', id)
  const [created, stopped, deleted] = server.history.operations
  const { stdout, stderr } = await run('operations', id, '--limit', '2')
  const lines = stdout.trimEnd().split('\n')
  assert.match(lines[0] ?? '', /^ID +VERB +STATUS +BEGAN +TOOK +BY +ERROR$/)
  assert.match(lines[1] ?? '', new RegExp(`^${deleted?.id} +delete +succeeded +2026-02-24T10:30:00Z +0\\.0s +key_test +-$`))
  assert.equal(lines.length, 3)
  assert.equal(stderr, `for more: alcove operations ${id} --after ${stopped?.id}\n`)
  const rest = JSON.parse((await run('operations', id, '--after', stopped?.id ?? '', '--json')).stdout)
  assert.deepEqual(rest, { success: true, operations: [created], next: null })
  const one = await run('operation', stopped?.id ?? '')
  assert.match(one.stdout, /^id +op_\w+\nworkspace +ws_\w+\nverb +stop\nstatus +succeeded\nby +key_test\n.*\n.*\nstep +2026-02-24T10:30:00Z stopped\n$/)
  assert.deepEqual(JSON.parse((await run('operation', stopped?.id ?? '', '--json')).stdout).operation, stopped)
  assert.equal((await run('operation', 'op_none')).code, 3)
})

test('events prints a history, and its lines cannot take a terminal over', async (t) => {
  const { run, server } = await startCli(t)
  const { id } = server.addWorkspace()
  server.history.addEvent({ workspace_id: id, type: 'health', cause: 'guest', reason: 'evil\u001b[2J\nreason' })
  await run('stop', id)
  const { stdout } = await run('events', id)
  const [first, second, third] = stdout.split('\n')
  assert.equal(first, `2026-02-24T10:30:00Z  ${id}  nothing > running    key_test: asked for`)
  assert.equal(second, `2026-02-24T10:30:00Z  ${id}  health               guest: evil\\x1b[2J\\nreason`)
  assert.match(third ?? '', / running > stopped {4}key_test/)
  const answer = JSON.parse((await run('events', id, '--after', '2', '--json')).stdout)
  assert.deepEqual(answer, { success: true, events: server.history.events.slice(2), next: null })
})

test('events -f of a workspace goes on behind its history, over a break, until the workspace is gone', async (t) => {
  const { run, start, server } = await startCli(t)
  const { id } = server.addWorkspace()
  const following = start('events', id, '-f', '--json')
  await following.seen(/"to":"running"/)
  await server.seen(2)
  await run('stop', id)
  await following.seen(/"to":"stopped"/)
  server.addWorkspace()
  for (const stream of server.history.streams) stream.destroy()
  await run('start', id)
  await run('rm', id)
  const { code, stdout } = await following.result
  assert.equal(code, 0)
  const events = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  assert.deepEqual(
    events,
    server.history.events.filter(({ workspace_id }) => workspace_id === id),
  )
  const gone = await run('events', id, '-f')
  assert.deepEqual([gone.code, gone.stdout.trimEnd().split('\n').length], [0, 4])
})

test('events -f without a workspace prints the stream of the account until an interrupt', async (t) => {
  const { start, server } = await startCli(t)
  server.addWorkspace()
  const following = start('events', '-f', '--after', '0')
  await following.seen(/ws_aaaaaaaaaaa1/)
  server.addWorkspace()
  await following.seen(/ws_aaaaaaaaaaa2/)
  for (const stream of server.history.streams) stream.destroy()
  server.addWorkspace()
  await following.seen(/ws_aaaaaaaaaaa3/)
  following.child.kill('SIGINT')
  const { code, stdout, stderr } = await following.result
  assert.equal(code, 130)
  assert.equal(stdout.trimEnd().split('\n').length, 3)
  assert.match(stderr, /^the stream of events .*; trying again\nerror: interrupted/)
})
