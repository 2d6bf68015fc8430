/** What every database must do for events, operations and idempotency keys. Run on SQLite and on PostgreSQL. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { newId } from '../../packages/server/src/lib/ids.ts'
import * as events from '../../packages/server/src/store/events.ts'
import * as idempotency from '../../packages/server/src/store/idempotency.ts'
import type { Store } from '../../packages/server/src/store/open.ts'
import * as operations from '../../packages/server/src/store/operations.ts'
import * as workspaces from '../../packages/server/src/store/workspaces.ts'
import { addAccount, newEvent, newOperation, newWorkspace, openTestStore } from '../support/store.ts'

/** Registers the tests. @param context gives the store once `before` hooks have run, and makes empty databases */
export function storeHistorySuite(context: () => { readonly store: Store; readonly emptyUrl: () => Promise<string> }): void {
  const store = () => context().store
  const sequence = async <T>(count: number, one: (n: number) => Promise<T>) => {
    for (let n = 0; n < count; n++) await one(n)
  }

  test('events are told in order, of a workspace or of an account, and those that follow one', async () => {
    const { db } = store()
    const [account_id, workspace_id] = [newId('acc'), newId('ws')]
    await sequence(3, (n) => events.append(db, newEvent({ account_id, workspace_id, at: n, ...(n === 1 ? { data: { exit: 1 }, operation_id: 'op_a' } : {}) })))
    await events.append(db, newEvent({ account_id, at: 3 }))
    await events.append(db, newEvent({ workspace_id, at: 4 }))
    const ofAccount = await events.listAfter(db, { accountId: account_id, after: 0, limit: 100 })
    assert.deepEqual(
      ofAccount.map(({ at, data, operation_id }) => [at, data, operation_id]),
      [
        [0, null, null],
        [1, { exit: 1 }, 'op_a'],
        [2, null, null],
        [3, null, null],
      ],
    )
    const after = ofAccount[0]?.seq ?? 0
    const times = async (query: Partial<Parameters<typeof events.listAfter>[1]>) =>
      (await events.listAfter(db, { accountId: account_id, after: 0, limit: 100, ...query })).map(({ at }) => at)
    assert.deepEqual(
      [await times({ after, limit: 2 }), await times({ workspaceId: workspace_id }), await times({ after: await events.lastSeq(db) })],
      [[1, 2], [0, 1, 2], []],
    )
    assert.deepEqual(
      (await events.listByWorkspace(db, workspace_id, { limit: 2 })).map(({ at }) => at),
      [2, 4],
    )
    assert.equal(await events.wasDeleted(db, workspace_id), false)
    await events.append(db, newEvent({ workspace_id, type: 'deleted' }))
    assert.equal(await events.wasDeleted(db, workspace_id), true)
  })

  test('events that are added at once are numbered in the order in which they are committed: a reader misses none', async () => {
    const account_id = newId('acc')
    const seen: number[] = []
    const writes = Promise.all(
      Array.from({ length: 20 }, (_, at) => store().transaction(async (tx) => void (await events.append(tx, newEvent({ account_id, at }))))),
    ).then(() => true)
    for (let isDone = false; !isDone; ) {
      isDone = await Promise.race([writes, Promise.resolve(false)])
      for (const { seq } of await events.listAfter(store().db, { accountId: account_id, after: seen.at(-1) ?? 0, limit: 100 })) seen.push(seq)
    }
    assert.equal(seen.length, 20)
  })

  test('nothing that happened is changed or left out; only what is too old is forgotten, and never that a workspace was deleted', async () => {
    const own = await openTestStore(await context().emptyUrl())
    try {
      const { db } = own
      const workspace_id = newId('ws')
      for (const [at, type] of [
        [1, 'status'],
        [2, 'deleted'],
        [3, 'status'],
        [10, 'status'],
      ] as const)
        await events.append(db, newEvent({ workspace_id, at, type }))
      const times = async () => (await events.listByWorkspace(db, workspace_id)).map(({ at }) => at)
      const isGuarded = async (left: number[]) => {
        await assert.rejects(db.updateTable('events').set({ reason: 'x' }).execute(), /append-only/)
        for (const at of left) await assert.rejects(db.deleteFrom('events').where('at', '=', at).execute(), /append-only/, `event of ${at}`)
        assert.deepEqual(await times(), left)
      }
      await isGuarded([1, 2, 3, 10])
      const last = await events.lastSeq(db)
      assert.equal(await own.transaction((tx) => events.purge(tx, 5)), 2)
      await isGuarded([2, 10])
      assert.equal(await own.transaction((tx) => events.purge(tx, 100)), 1)
      await isGuarded([2])
      await events.append(db, newEvent({ workspace_id, at: 11 }))
      assert.ok((await events.lastSeq(db)) > last, 'a number is given once')
    } finally {
      await own.close()
    }
  })

  test('an operation is stored once, goes through its steps, and ends once', async () => {
    const { db } = store()
    const operation = newOperation({ requestId: 'req_1' })
    await store().transaction((tx) => operations.begin(tx, operation, 5))
    await assert.rejects(store().transaction((tx) => operations.begin(tx, operation, 6)))
    await operations.addStep(db, operation.id, { name: 'starting', at: 6 })
    await operations.addStep(db, operation.id, { name: 'running', at: 7 })
    const error = { code: 'START_FAILED', message: 'no' }
    await operations.end(db, operation.id, { status: 'failed', error }, 8)
    await operations.end(db, operation.id, { status: 'succeeded' }, 9)
    await operations.addStep(db, operation.id, { name: 'late', at: 10 })
    const { requestId: _requestId, ...stored } = operation
    const steps = [
      { name: 'starting', at: 6 },
      { name: 'running', at: 7 },
    ]
    assert.deepEqual({ ...(await operations.find(db, operation.id)) }, { ...stored, status: 'failed', error, steps, created_at: 5, ended_at: 8 })
    const rows = await db.selectFrom('audit').selectAll().where('operation_id', '=', operation.id).execute()
    assert.deepEqual(
      rows.map(({ actor, action, target, outcome, request_id }) => [actor, action, target, outcome, request_id]),
      [[operation.actor, operation.verb, operation.workspace_id, 'done', 'req_1']],
    )
  })

  test('operations of a workspace are paged newest first, also those of one moment', async () => {
    const { db } = store()
    const [accountId, workspaceId] = [newId('acc'), newId('ws')]
    const made = Array.from({ length: 7 }, () => newOperation({ account_id: accountId, workspace_id: workspaceId }))
    for (const [n, operation] of made.entries()) await store().transaction((tx) => operations.begin(tx, operation, Math.floor(n / 3)))
    await store().transaction((tx) => operations.begin(tx, newOperation({ account_id: accountId }), 1))
    const read: operations.OperationRow[] = []
    for (;;) {
      const page = await operations.listByWorkspace(db, { accountId, workspaceId, after: read.at(-1), limit: 2 })
      if (page.length === 0) break
      read.push(...page)
    }
    const wanted = made.map(({ id }, n) => ({ id, at: Math.floor(n / 3) })).sort((a, b) => b.at - a.at || (a.id < b.id ? 1 : -1))
    assert.deepEqual(
      read.map(({ id }) => id),
      wanted.map(({ id }) => id),
    )
    assert.deepEqual(await operations.listByWorkspace(db, { accountId: 'acc_other', workspaceId, limit: 10 }), [])
  })

  test('operations that no workspace is at are abandoned; what has ended long ago is forgotten, what goes on never', async () => {
    const { db } = store()
    const account = await addAccount(db)
    const [held, lost, ended] = [newOperation(), newOperation(), newOperation()]
    for (const operation of [held, lost, ended]) await store().transaction((tx) => operations.begin(tx, operation, 1))
    await workspaces.insert(db, newWorkspace(account, { operation_id: held.id }))
    await operations.end(db, ended.id, { status: 'succeeded' }, 2)
    const abandoned = (await operations.listAbandoned(db)).map(({ id }) => id)
    assert.deepEqual(
      [held, lost, ended].map(({ id }) => abandoned.includes(id)),
      [false, true, false],
    )
    assert.equal(await operations.purge(db, 2), 0)
    assert.ok((await operations.purge(db, 3)) >= 1)
    const left = await Promise.all([held, lost, ended].map(({ id }) => operations.find(db, id)))
    assert.deepEqual(
      left.map((row) => row?.status),
      ['running', 'running', undefined],
    )
  })

  test('an idempotency key belongs to the first who uses it, and has the first answer', async () => {
    const { db } = store()
    const id = { account_id: newId('acc'), operation: 'createWorkspace', key: 'k' }
    const row = (operation_id: string, key = 'k') => ({ ...id, key, request_hash: 'h', operation_id, created_at: 10, expires_at: 20 })
    const ids = [newId('op'), newId('op'), newId('op')]
    const won = await Promise.all(ids.map((each) => store().transaction((tx) => idempotency.insert(tx, row(each)))))
    assert.equal(won.filter(Boolean).length, 1)
    const winner = ids[won.indexOf(true)] ?? ''
    assert.deepEqual({ ...(await idempotency.find(db, id)) }, { ...row(winner), answer_status: null, answer: null })
    for (const other of [{ account_id: 'acc_other' }, { operation: 'stopWorkspace' }, { key: 'l' }])
      assert.equal(await idempotency.find(db, { ...id, ...other }), undefined)

    await idempotency.storeAnswer(db, winner, 201, '{"a":1}')
    await idempotency.storeAnswer(db, winner, 500, '{}')
    await idempotency.release(db, winner)
    const answered = await idempotency.find(db, id)
    assert.deepEqual([answered?.answer_status, answered?.answer], [201, '{"a":1}'], 'an answered key is neither answered again nor freed')

    const failed = newId('op')
    await idempotency.insert(db, row(failed, 'l'))
    assert.equal(await idempotency.count(db, id.account_id), 2)
    await idempotency.release(db, failed)
    assert.equal(await idempotency.count(db, id.account_id), 1)
    await idempotency.purge(db, 19)
    assert.equal(await idempotency.count(db, id.account_id), 1)
    assert.ok((await idempotency.purge(db, 20)) >= 1)
    assert.equal(await idempotency.count(db, id.account_id), 0)
  })
}
