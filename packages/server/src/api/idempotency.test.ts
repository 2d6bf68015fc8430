/** What an idempotency key promises, over HTTP. */
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { isChange } from '@alcove/contract'
import { changesWhere, openSession, type SessionAnswer } from '../../../../test/support/api-session.ts'
import { type ApiWorldOptions, startApiWorld } from '../../../../test/support/api-world.ts'
import * as operations from '../store/operations.ts'

const changes = changesWhere(isChange)
const keyed = (key: string) => ({ 'idempotency-key': key })
const isReplay = ({ headers }: SessionAnswer) => headers['idempotent-replayed'] === 'true'

async function setUp(t: TestContext, options?: ApiWorldOptions) {
  const server = await startApiWorld(t, options)
  return { server, world: server.world, session: openSession(t, server, server.keys.owner), other: openSession(t, server, server.keys.other) }
}

/** What was done so far. */
async function done({ world }: Awaited<ReturnType<typeof setUp>>) {
  const { total } = await world.store.db
    .selectFrom('operations')
    .select((e) => e.fn.countAll<number>().as('total'))
    .executeTakeFirstOrThrow()
  return { operations: total, boots: world.host.boots.length }
}

test('each change that is sent again has the stored answer, byte for byte, also from the next server, and is not done again', async (t) => {
  const setup = await setUp(t)
  const { session, server } = setup
  const next = openSession(t, await server.another(), server.keys.owner)
  assert.ok(changes.length >= 19, `${changes}`)
  for (const name of changes) {
    const id = await session.createFor(name)
    const first = await session.perform(name, id, keyed('once'))
    assert.ok(first.status < 300, `${name}: ${first.text}`)
    assert.equal(isReplay(first), false, name)
    const before = await done(setup)
    for (const replay of [await session.perform(name, id, keyed('once')), await next.perform(name, id, keyed('once'))]) {
      assert.deepEqual([replay.status, replay.text, isReplay(replay)], [first.status, first.text, true], name)
      assert.deepEqual([replay.headers['x-operation-id'], replay.headers.etag], [first.headers['x-operation-id'], first.headers.etag], name)
    }
    assert.deepEqual(await done(setup), before, name)
  }
})

test('eight creates at once with one key are one workspace, and all are told the same', async (t) => {
  const { session, world } = await setUp(t)
  const answers = await Promise.all(Array.from({ length: 8 }, () => session.perform('createWorkspace', '', keyed('one'))))
  assert.deepEqual([new Set(answers.map(({ text }) => text)).size, new Set(answers.map(({ headers }) => headers['x-operation-id'])).size], [1, 1])
  assert.deepEqual([answers.every(({ status }) => status === 201), answers.filter(isReplay).length], [true, 7])
  assert.equal(world.host.boots.length, 1)
  assert.equal((await session.call('GET', '/workspace')).body.total, 1)
})

test('a restart that is sent eight times at once with one key is one restart', async (t) => {
  const { session, world } = await setUp(t)
  const id = await session.create()
  const answers = await Promise.all(Array.from({ length: 8 }, () => session.perform('restartWorkspace', id, keyed('r'))))
  assert.deepEqual([new Set(answers.map(({ text }) => text)).size, answers[0]?.body.workspace.generation, world.host.boots.length], [1, 2, 2])
})

test('a key that was used with another request is refused, and nothing is done', async (t) => {
  const setup = await setUp(t)
  const { session } = setup
  for (const name of changes) {
    const id = await session.createFor(name)
    assert.ok((await session.perform(name, id, keyed('k'))).status < 300, name)
    const elsewhere = name === 'createWorkspace' ? id : await session.create()
    const before = await done(setup)
    const others = [
      await session.perform(name, elsewhere, keyed('k'), { image: 'node-20', name: 'other' }),
      ...(name === 'createWorkspace'
        ? []
        : [await session.perform(name, elsewhere, keyed('k')), await session.perform(name, id, { ...keyed('k'), 'if-match': '"1"' })]),
    ]
    for (const { status, body } of others) assert.deepEqual([status, body.code, body.details], [422, 'idempotency_mismatch', { key: 'k' }], name)
    assert.deepEqual(await done(setup), before, name)
  }
})

test('a key is of one account and one operation', async (t) => {
  const { session, other } = await setUp(t)
  const id = await session.create()
  const [mine, theirs] = [
    await session.perform('createWorkspace', '', keyed('k')),
    await other.perform('createWorkspace', '', keyed('k'), { image: 'node-20' }),
  ]
  assert.deepEqual([mine.status, theirs.status, theirs.body.workspace.image, isReplay(theirs)], [201, 201, 'node-20', false])
  for (const name of ['putMetadata', 'patchMetadata', 'stopWorkspace', 'startWorkspace'] as const) {
    const answer = await session.perform(name, id, keyed('k'))
    assert.deepEqual([answer.status, isReplay(answer)], [200, false], name)
  }
})

test('a request that failed leaves its key free', async (t) => {
  const { session, world } = await setUp(t)
  const first = await session.perform('createWorkspace', '', keyed('k'), { image: 'nothing' })
  assert.equal(first.body.code, 'INVALID_IMAGE')
  world.host.knobs.onBoot = () => Promise.reject(new Error('no kernel'))
  assert.equal((await session.perform('createWorkspace', '', keyed('k'))).body.code, 'CREATE_FAILED')
  world.host.knobs.onBoot = undefined
  const made = await session.perform('createWorkspace', '', keyed('k'))
  assert.deepEqual([made.status, isReplay(made)], [201, false])
  const { id } = made.body.workspace

  assert.equal((await session.perform('resumeWorkspace', id, keyed('k'))).status, 200)
  await session.perform('stopWorkspace', id)
  world.host.knobs.onBoot = () => Promise.reject(new Error('no kernel'))
  assert.equal((await session.perform('startWorkspace', id, keyed('k'))).status, 500)
  world.host.knobs.onBoot = undefined
  const started = await session.perform('startWorkspace', id, keyed('k'))
  assert.deepEqual([started.status, started.body.workspace.status, isReplay(started)], [200, 'running', false])
  assert.equal((await session.call('GET', '/workspace')).body.total, 1)
})

test('a create whose server died under it is answered by the next one, and is one workspace', async (t) => {
  const setup = await setUp(t)
  const { session, server, world } = setup
  const begun = Promise.withResolvers<void>()
  world.host.knobs.onBoot = () => {
    begun.resolve()
    return new Promise(() => {})
  }
  const lost = session.perform('createWorkspace', '', keyed('k'))
  lost.catch(() => {})
  await begun.promise
  server.plane.abandon()
  world.host.knobs.onBoot = undefined
  const another = await server.another()
  const next = openSession(t, another, server.keys.owner)
  const [answer] = await Promise.all([next.perform('createWorkspace', '', keyed('k')), another.plane.reconciler.recover()])
  assert.deepEqual([answer.status, answer.body.workspace.status, isReplay(answer)], [201, 'running', true], answer.text)
  const again = await next.perform('createWorkspace', '', keyed('k'))
  assert.equal(again.text, answer.text)
  assert.equal((await next.call('GET', '/workspace')).body.total, 1)
  const operation = await operations.find(world.store.db, String(answer.headers['x-operation-id']))
  assert.deepEqual([operation?.verb, operation?.status, operation?.workspace_id], ['create', 'succeeded', answer.body.workspace.id])
})

test('a key that cannot be one is refused', async (t) => {
  const { session } = await setUp(t)
  for (const key of ['', 'x'.repeat(256), 'a\tb']) {
    const { status, body } = await session.perform('createWorkspace', '', keyed(key))
    assert.deepEqual([status, body.code, body.details.field], [400, 'validation_error', 'idempotency_key'], JSON.stringify(key))
  }
  for (const key of [7, null, '', 'é', 'x'.repeat(256)]) {
    const { status, body } = await session.perform('createWorkspace', '', {}, { image: 'busybox', idempotency_key: key })
    assert.deepEqual([status, body.code], [400, 'validation_error'], JSON.stringify(key))
  }
  assert.equal((await session.call('GET', '/workspace')).body.total, 0)
})
