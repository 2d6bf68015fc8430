/** What every database must do for what is due, and with a database of the version before. Run on SQLite and on PostgreSQL. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { sql } from 'kysely'
import { newId } from '../../packages/server/src/lib/ids.ts'
import * as accounts from '../../packages/server/src/store/accounts.ts'
import * as events from '../../packages/server/src/store/events.ts'
import * as idempotency from '../../packages/server/src/store/idempotency.ts'
import type { Store } from '../../packages/server/src/store/open.ts'
import * as slots from '../../packages/server/src/store/slots.ts'
import * as workspaces from '../../packages/server/src/store/workspaces.ts'
import { addAccount, newEvent, newWorkspace, openOldStore, openTestStore, testConfig } from '../support/store.ts'

/** Registers the tests. @param context gives the store once `before` hooks have run, and makes empty databases */
export function storeDueSuite(context: () => { readonly store: Store; readonly emptyUrl: () => Promise<string> }): void {
  test('what is due is found, the oldest first, each once, and never more than a hundred at a time', async () => {
    const own = await openTestStore(await context().emptyUrl())
    try {
      const { db } = own
      const account = await addAccount(db)
      const add = async (created_at: number, change: Parameters<typeof newWorkspace>[1]) =>
        (await workspaces.insert(db, newWorkspace(account, { created_at, ...change }))).id
      const both = await add(3, { status: 'stopped', expires_at: 9, restart_at: 8 })
      const expired = await add(1, { status: 'running', expires_at: 10 })
      const restart = await add(2, { status: 'failed', restart_at: 10 })
      await add(0, { expires_at: 11, restart_at: 12 })
      await add(0, {})
      const due = async (now: number) => (await workspaces.listDue(db, now)).map(({ id }) => id)
      assert.deepEqual([await due(7), await due(8), await due(10)], [[], [both], [expired, restart, both]])
      for (let n = 0; n < 120; n++) await add(100 + n, { expires_at: 5 })
      const many = await workspaces.listDue(db, 10)
      assert.deepEqual([many.length, new Set(many.map(({ id }) => id)).size, many[0]?.id], [100, 100, expired])
    } finally {
      await own.close()
    }
  })

  test('when the clock is set, everything that is due moves with it, and nothing else', async () => {
    const own = await openTestStore(await context().emptyUrl())
    try {
      const { db } = own
      const account = await addAccount(db)
      const row = await workspaces.insert(db, newWorkspace(account, { created_at: 5, expires_at: 100, restart_at: 200, deadline_at: 300, started_at: 50 }))
      const bare = await workspaces.insert(db, newWorkspace(account, { created_at: 5 }))
      const key = { account_id: account, operation: 'stop', key: 'k' }
      await idempotency.insert(db, { ...key, request_hash: 'h', operation_id: newId('op'), created_at: 10, expires_at: 20 })
      await own.transaction(async (tx) => {
        await slots.allocate(tx, row.id, 1, { restMs: 0 })
        await slots.allocate(tx, bare.id, 1, { restMs: 0 })
        await slots.release(tx, bare.id, 7)
      })
      await own.transaction((tx) => workspaces.shiftDueTimes(tx, 1_000_000_000_000))
      await own.transaction((tx) => workspaces.shiftDueTimes(tx, -40))
      const by = 1_000_000_000_000 - 40
      const { slot: _slot, ...shifted } = (await workspaces.findAny(db, row.id)) ?? assert.fail()
      assert.deepEqual(shifted, { ...row, expires_at: 100 + by, restart_at: 200 + by, deadline_at: 300 + by, started_at: 50 + by, version: shifted.version })
      assert.ok(shifted.version > row.version, 'what is kept of it is read again')
      assert.deepEqual({ ...(await workspaces.findAny(db, bare.id)), slot: undefined, version: 1 }, { ...bare, slot: undefined })
      const used = await idempotency.find(db, key)
      assert.deepEqual([used?.created_at, used?.expires_at], [10 + by, 20 + by])
      const released = await db.selectFrom('slots').select(['workspace_id', 'released_at']).orderBy('released_at').execute()
      assert.deepEqual(
        released.map(({ released_at }) => released_at).filter((at) => at !== null),
        [7 + by],
      )
    } finally {
      await own.close()
    }
  })

  test('a database of version 1 keeps its rows, events, totals and guards; keys without answers are dropped', async () => {
    const url = await context().emptyUrl()
    const old = await openOldStore(url, 1)
    const [account, running, fresh] = ['acc_old', 'ws_running', 'ws_fresh']
    await accounts.insert(old.db, { id: account, name: 'old', plan: 'pro', created_at: 1 })
    const columns = sql.raw(
      'id, account_id, name, mode, image, image_id, cpus, memory_mb, disk_mb, config, desired, status, boot_id, version, user_requested_stop, created_at, updated_at',
    )
    for (const [id, status, boot] of [
      [running, 'running', 'boot_1'],
      [fresh, 'creating', null],
      ['ws_gone', 'stopped', null],
    ]) {
      await sql`insert into workspaces (${columns})
        values (${id}, ${account}, 'a name', 'permanent', 'busybox', 'busybox', 2, 512, 64, ${JSON.stringify(testConfig)}, 'running', ${status}, ${boot}, 7, 1, 11, 12)`.execute(
        old.db,
      )
    }
    await sql`delete from workspaces where id = 'ws_gone'`.execute(old.db)
    await sql`insert into slots (slot, workspace_id) values (3, ${running})`.execute(old.db)
    for (const at of [1, 2]) {
      await sql`insert into events (workspace_id, account_id, at, type, to_status, actor, reason) values (${running}, ${account}, ${at}, 'status', 'creating', 'key', 'create')`.execute(
        old.db,
      )
    }
    await sql`insert into idempotency (account_id, operation, key, request_hash, workspace_id, created_at) values (${account}, 'createWorkspace', 'k', 'h', ${running}, 1)`.execute(
      old.db,
    )
    await old.close()

    const store = await openTestStore(url)
    try {
      const { db } = store
      const row = await workspaces.findAny(db, running)
      const added = { generation: 1, operation_id: null, expires_at: null, restart_at: null, restart_count: 0, last_exit: null, metadata: {} }
      const kept = {
        account_id: account,
        name: 'a name',
        status: 'running',
        boot_id: 'boot_1',
        version: 7,
        user_requested_stop: true,
        created_at: 11,
        updated_at: 12,
        slot: 3,
        config: testConfig,
        cpus: 2,
      }
      assert.deepEqual({ ...row, ...kept, ...added }, row)
      assert.equal((await workspaces.findAny(db, fresh))?.generation, 0)
      const total = async () => (await workspaces.listPage(db, { accountId: account, page: 1, limit: 1 })).total
      assert.equal(await total(), 2)
      assert.equal((await workspaces.usage(db, account)).owned.cpus, 4)
      const told = await events.listByWorkspace(db, running)
      assert.deepEqual(
        told.map(({ at, cause, operation_id, data }) => [at, cause, operation_id, data]),
        [
          [1, 'request', null, null],
          [2, 'request', null, null],
        ],
      )
      assert.equal(await idempotency.count(db, account), 0)

      await store.transaction((tx) => events.append(tx, newEvent({ workspace_id: running, at: 3 })))
      assert.ok((await events.lastSeq(db)) > (told[1]?.seq ?? 0))
      await assert.rejects(db.deleteFrom('events').execute(), /append-only/)
      await assert.rejects(db.updateTable('events').set({ actor: 'x' }).execute(), /append-only/)
      assert.ok(await workspaces.update(db, running, { status: 'paused', desired: 'paused' }, 20), 'the new states are allowed')
      await assert.rejects(sql`update workspaces set status = 'asleep'`.execute(db))
      await workspaces.insert(db, newWorkspace(account))
      await workspaces.remove(db, fresh)
      assert.equal(await total(), 2, 'totals go on being kept')
      await assert.rejects(workspaces.insert(db, newWorkspace('acc_none')), 'a workspace is of an account')
    } finally {
      await store.close()
    }
    const again = await openTestStore(url)
    assert.equal((await workspaces.findAny(again.db, running))?.status, 'paused', 'a migration is applied once')
    await again.close()
  })
}
