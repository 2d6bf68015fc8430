/** What the audit chain holds of requests: every change that was acknowledged, every denial, and nothing else. */
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { isChange } from '@alcove/contract'
import { changesWhere, openSession } from '../../../../test/support/api-session.ts'
import { type ApiWorldOptions, startApiWorld } from '../../../../test/support/api-world.ts'
import * as audit from '../store/audit.ts'

async function setUp(t: TestContext, options?: ApiWorldOptions) {
  const server = await startApiWorld(t, options)
  const { db } = server.world.store
  const rows = () => db.selectFrom('audit').selectAll().orderBy('seq').execute()
  return {
    server,
    session: openSession(t, server, server.keys.owner),
    /** Rows that an action adds. */
    async added(act: () => Promise<unknown>) {
      const before = (await rows()).length
      await act()
      return (await rows()).slice(before)
    },
    /** That the chain holds. */
    async isWhole() {
      const { rows: count, broken } = await audit.verify(db)
      assert.deepEqual([count, broken], [(await rows()).length, undefined])
    },
  }
}

test('each change that was acknowledged is in the chain once, with who asked, by which request, and what was done', async (t) => {
  const { server, session, added, isWhole } = await setUp(t)
  const { accountId, clientId } = server.keys.owner
  for (const name of changesWhere(isChange)) {
    const id = await session.createFor(name)
    let answer: Awaited<ReturnType<typeof session.perform>> | undefined
    const rows = await added(async () => {
      answer = await session.perform(name, id, { 'idempotency-key': `key-${name}` })
      assert.equal((await session.perform(name, id, { 'idempotency-key': `key-${name}` })).headers['idempotent-replayed'], 'true')
    })
    assert.ok(answer && answer.status < 300, `${name}: ${answer?.text}`)
    const target = name === 'createWorkspace' ? answer.body.workspace.id : id
    const { 'x-operation-id': operation_id, 'x-request-id': request_id } = answer.headers
    assert.deepEqual(
      rows.map((row) => ({ ...row, seq: 0, at: 0, action: '', prev_hash: '', hash: '' })),
      [
        {
          seq: 0,
          at: 0,
          account_id: accountId,
          actor: clientId,
          action: '',
          target,
          outcome: 'done',
          code: null,
          request_id,
          operation_id,
          prev_hash: '',
          hash: '',
        },
      ],
      name,
    )
    const { body } = await session.call('GET', `/operations/${operation_id}`)
    assert.deepEqual([body.operation.verb, body.operation.status, body.operation.workspace_id], [rows[0]?.action, 'succeeded', target], name)
  }
  await isWhole()
})

test('each denial is in the chain: who was refused what, and why', async (t) => {
  const tiny = { limits: { cpus: { max: 2 } }, maxSandboxes: 1 }
  const { server, session, added, isWhole } = await setUp(t, { plans: { tiny }, plan: 'tiny' })
  const { owner, other } = server.keys
  const id = await session.create()
  const stranger = openSession(t, server, other)
  const wrong = { 'x-client-secret': 'wrong' }
  const cases: [denied: () => Promise<{ status: number; headers: Record<string, unknown> }>, status: number, row: object][] = [
    [
      () => session.call('GET', '/workspace', undefined, wrong),
      401,
      { account_id: null, actor: 'anonymous', action: 'listWorkspaces', target: null, code: 'MISSING_USER_ID' },
    ],
    [
      () => session.perform('stopWorkspace', id, wrong),
      401,
      { account_id: null, actor: 'anonymous', action: 'stopWorkspace', target: id, code: 'MISSING_USER_ID' },
    ],
    [
      () => session.perform('createWorkspace'),
      402,
      { account_id: owner.accountId, actor: owner.clientId, action: 'createWorkspace', target: null, code: 'SANDBOX_LIMIT_REACHED' },
    ],
    [
      () => session.perform('putResources', id, {}, { cpus: 3 }),
      403,
      { account_id: owner.accountId, action: 'putResources', target: id, code: 'RESOURCE_NOT_ALLOWED' },
    ],
    [
      () => stranger.perform('deleteWorkspace', id),
      404,
      { account_id: other.accountId, actor: other.clientId, action: 'deleteWorkspace', target: id, code: 'not_found' },
    ],
    [
      () => stranger.call('DELETE', '/workspace/a%0A%1B%5B31mb'),
      404,
      { account_id: other.accountId, action: 'deleteWorkspace', target: 'a??[31mb', code: 'not_found' },
    ],
    [
      () => session.perform('stopWorkspace', id, { 'if-match': '"9"' }),
      412,
      { account_id: owner.accountId, action: 'stopWorkspace', target: id, code: 'precondition_failed' },
    ],
  ]
  for (const [denied, status, wanted] of cases) {
    let requestId: unknown
    const rows = await added(async () => {
      const answer = await denied()
      assert.equal(answer.status, status)
      requestId = answer.headers['x-request-id']
    })
    const [row] = rows
    assert.equal(rows.length, 1, JSON.stringify(rows))
    assert.deepEqual({ ...row, ...wanted }, row)
    assert.deepEqual([row?.outcome, row?.operation_id, row?.request_id], ['denied', null, requestId])
  }
  await isWhole()
})

test('what is refused for how it is written, or for the state that it finds, is no denial; nor is a read of what is not there', async (t) => {
  const { server, session, added } = await setUp(t)
  const stranger = openSession(t, server, server.keys.other)
  const id = await session.create()
  await session.perform('stopWorkspace', id)
  const rows = await added(async () => {
    assert.equal((await session.perform('createWorkspace', '', {}, { image: 7 })).status, 400)
    assert.equal((await session.perform('pauseWorkspace', id)).status, 409)
    assert.equal((await stranger.call('GET', `/workspace/${id}`)).status, 404)
    assert.equal((await session.call('GET', '/nowhere')).status, 404)
    assert.equal((await session.call('PATCH', `/workspace/${id}`)).status, 405)
  })
  assert.deepEqual(rows, [])
})
