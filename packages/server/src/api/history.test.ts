/** What can be read of what was done and what happened, also after a workspace is gone. */
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { openSession, type Session } from '../../../../test/support/api-session.ts'
import { startApiWorld } from '../../../../test/support/api-world.ts'
import * as events from '../store/events.ts'

async function setUp(t: TestContext) {
  const server = await startApiWorld(t)
  return { server, session: openSession(t, server, server.keys.owner), stranger: openSession(t, server, server.keys.other) }
}

/** All pages of a list, one after the other. */
async function pages(session: Session, path: string, field: string, limit: number): Promise<{ id: string }[]> {
  const all: { id: string }[] = []
  for (let after = ''; ; ) {
    const { status, body, text } = await session.call('GET', `${path}?limit=${limit}${after && `&after=${after}`}`)
    assert.equal(status, 200, text)
    assert.ok(body[field].length <= limit)
    all.push(...body[field])
    if (body.next === null) return all
    assert.equal(body.next, body[field].at(-1).id)
    after = body.next
  }
}

test('operations are told newest first and events oldest first, page by page, and go on being told when the workspace is gone', async (t) => {
  const { session } = await setUp(t)
  const id = await session.create()
  for (const name of ['stopWorkspace', 'stopWorkspace', 'startWorkspace', 'pauseWorkspace', 'resumeWorkspace', 'putMetadata'] as const) {
    assert.equal((await session.perform(name, id)).status, 200)
  }
  const deleted = await session.perform('deleteWorkspace', id)
  assert.equal((await session.call('GET', `/workspace/${id}`)).status, 404)

  const operations = await pages(session, `/workspace/${id}/operations`, 'operations', 3)
  const whole = (await session.call('GET', `/workspace/${id}/operations`)).body.operations
  assert.deepEqual(operations, whole)
  assert.deepEqual(
    whole.map(({ verb, status }: { verb: string; status: string }) => `${verb} ${status}`).reverse(),
    ['create', 'stop', 'stop', 'start', 'pause', 'resume', 'metadata', 'delete'].map((verb) => `${verb} succeeded`),
  )
  assert.equal(whole[0].id, deleted.headers['x-operation-id'])
  assert.deepEqual((await session.call('GET', `/operations/${whole[0].id}`)).body.operation, whole[0])

  const told = await pages(session, `/workspace/${id}/events`, 'events', 4)
  assert.deepEqual(told, (await session.call('GET', `/workspace/${id}/events?limit=1000`)).body.events)
  const moves = (told as unknown as { type: string; to: string | null; operation_id: string }[]).filter(({ type }) => type !== 'updated')
  assert.deepEqual(
    moves.map(({ to }) => to),
    ['creating', 'running', 'stopping', 'stopped', 'starting', 'running', 'pausing', 'paused', 'resuming', 'running', 'deleting', null],
  )
  const known = new Set(operations.map((operation) => operation.id))
  assert.ok(moves.every(({ operation_id }) => known.has(operation_id)))
})

test('to a stranger there is neither the workspace nor its operations, whatever became of them', async (t) => {
  const { session, stranger } = await setUp(t)
  const id = await session.create()
  const operation = (await session.perform('stopWorkspace', id)).headers['x-operation-id']
  const own = await stranger.create()
  const look = async () => {
    const paths = [
      `/operations/${operation}`,
      `/workspace/${id}/operations`,
      `/workspace/${id}/events`,
      '/operations/op_aaaaaaaaaaaa',
      '/workspace/ws_aaaaaaaaaaaa/events',
    ]
    for (const path of paths) {
      const { status, body } = await stranger.call('GET', path)
      assert.deepEqual([status, body.code], [404, 'not_found'], path)
    }
    const { status, body } = await stranger.call('GET', `/workspace/${own}/operations?after=${operation}`)
    assert.deepEqual([status, body.code], [400, 'validation_error'])
  }
  await look()
  await session.perform('deleteWorkspace', id)
  await look()
})

test('a workspace whose events were all forgotten is known all the same, and so is one that was deleted', async (t) => {
  const { server, session, stranger } = await setUp(t)
  const [kept, gone] = [await session.create(), await session.create()]
  await session.perform('deleteWorkspace', gone)
  await server.world.store.transaction((tx) => events.purge(tx, Date.now() + 1000))
  const left = async (id: string) => (await session.call('GET', `/workspace/${id}/events`)).body.events.map(({ type }: { type: string }) => type)
  assert.deepEqual([await left(kept), await left(gone)], [[], ['deleted']])
  assert.equal((await session.call('GET', `/workspace/${kept}/operations`)).body.operations.length, 1)
  assert.equal((await stranger.call('GET', `/workspace/${kept}/events`)).status, 404)
})

test('a page takes only what its parameters allow', async (t) => {
  const { session } = await setUp(t)
  const id = await session.create()
  for (const path of [`/workspace/${id}/events`, `/workspace/${id}/operations`]) {
    for (const query of ['limit=0', 'limit=x', 'after=op_aaaaaaaaaaaa', 'after=', `after=${'x'.repeat(65)}`, 'after=1&after=2']) {
      const { status, body } = await session.call('GET', `${path}?${query}`)
      assert.deepEqual([status, body.code], [400, 'validation_error'], `${path} ${query}`)
    }
  }
})
