/** What `ETag` and `If-Match` promise: a caller who means an older boot does nothing to a newer one. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { takesGeneration } from '@alcove/contract'
import { changesWhere, openSession } from '../../../../test/support/api-session.ts'
import { startApiWorld } from '../../../../test/support/api-world.ts'
import { findAny } from '../store/workspaces.ts'
import { parseIfMatch } from './if-match.ts'

const changes = changesWhere(takesGeneration)

test('each change that names another boot is refused with both generations, and changes nothing', async (t) => {
  const server = await startApiWorld(t)
  const session = openSession(t, server, server.keys.owner)
  assert.ok(changes.length >= 18, `${changes}`)
  for (const name of changes) {
    const id = await session.createFor(name)
    const before = await findAny(server.world.store.db, id)
    for (const [tag, expected] of [
      ['"7"', [7]],
      ['"0", "2"', [0, 2]],
      ['W/"1"', []],
      ['"of-another-server"', []],
    ] as const) {
      const { status, body } = await session.perform(name, id, { 'if-match': tag })
      assert.deepEqual([status, body.code, body.details], [412, 'precondition_failed', { generation: 1, expected }], `${name} ${tag}`)
    }
    for (const tag of ['', 'abc', '"1', '"1" "2"', ',', '"1",', '-1']) {
      const { status, body } = await session.perform(name, id, { 'if-match': tag })
      assert.deepEqual([status, body.code, body.details?.field], [400, 'validation_error', 'If-Match'], `${name} ${tag}`)
    }
    assert.deepEqual(await findAny(server.world.store.db, id), before, name)
    const { operations } = (await session.call('GET', `/workspace/${id}/operations`)).body
    assert.equal(operations.length, name === 'startWorkspace' || name === 'resumeWorkspace' ? 2 : 1, name)
    const done = await session.perform(name, id, { 'if-match': '"9", "1"' })
    assert.equal(done.status, 200, `${name}: ${done.text}`)
  }
})

test('the ETag of an answer is the generation, which each boot raises', async (t) => {
  const server = await startApiWorld(t)
  const session = openSession(t, server, server.keys.owner)
  const made = await session.perform('createWorkspace')
  const { id } = made.body.workspace
  assert.deepEqual([made.headers.etag, made.body.workspace.generation], ['"1"', 1])
  const restarted = await session.perform('restartWorkspace', id, { 'if-match': made.headers.etag ?? '' })
  assert.deepEqual([restarted.status, restarted.headers.etag], [200, '"2"'])
  const reads = [await session.call('GET', `/workspace/${id}`), await session.call('GET', `/workspace/${id}/details`)]
  for (const { headers } of reads) assert.equal(headers.etag, '"2"')
  assert.equal((await session.perform('deleteWorkspace', id, { 'if-match': made.headers.etag ?? '' })).status, 412)
  assert.equal((await session.perform('stopWorkspace', id, { 'if-match': '*' })).status, 200)
  assert.equal((await session.perform('deleteWorkspace', id, { 'if-match': '"2"' })).status, 200)
})

test('a stop that means the boot before does not join one that means the boot after', async (t) => {
  const server = await startApiWorld(t)
  const session = openSession(t, server, server.keys.owner)
  const id = await session.create()
  await session.perform('restartWorkspace', id)
  const begun = Promise.withResolvers<void>()
  const end = Promise.withResolvers<void>()
  server.world.host.knobs.onShutdown = () => {
    begun.resolve()
    return end.promise
  }
  const stop = session.perform('stopWorkspace', id)
  await begun.promise
  const stale = session.perform('stopWorkspace', id, { 'if-match': '"1"' })
  end.resolve()
  assert.deepEqual([(await stop).status, (await stale).status], [200, 412])
})

test('a number may be given without quotes, any boot as a star', () => {
  assert.deepEqual([parseIfMatch('3'), parseIfMatch(' "3" , W/"4","x"'), parseIfMatch('*'), parseIfMatch(undefined)], [[3], [3], undefined, undefined])
})
