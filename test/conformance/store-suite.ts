/** What every database must do for the store. Run on SQLite and on PostgreSQL. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { newId } from '../../packages/server/src/lib/ids.ts'
import * as accounts from '../../packages/server/src/store/accounts.ts'
import * as keys from '../../packages/server/src/store/api-keys.ts'
import * as meta from '../../packages/server/src/store/meta.ts'
import type { Store } from '../../packages/server/src/store/open.ts'
import * as slots from '../../packages/server/src/store/slots.ts'
import * as workspaces from '../../packages/server/src/store/workspaces.ts'
import { checkAdmission } from '../../packages/server/src/tenancy/ledger.ts'
import { createPlans } from '../../packages/server/src/tenancy/plans.ts'
import { addAccount, newWorkspace, openTestStore } from '../support/store.ts'

/** Registers the tests. @param context gives the store once `before` hooks have run */
export function storeSuite(context: () => { readonly store: Store; readonly url: string }): void {
  const store = () => context().store
  const plan = createPlans({ host: { cpus: 8, memoryMib: 65_536, diskMib: 1_000_000 }, configured: { three: { maxSandboxes: 3 } } }).get('three')

  test('a stored workspace is found by its owner as it was given, and by nobody else', async () => {
    const { db } = store()
    const [owner, other] = [await addAccount(db), await addAccount(db)]
    const failure = { code: 'START_FAILED', message: 'no', at: 5 }
    const given = newWorkspace(owner, { failure, timings: { disk: 1.5 }, user_requested_stop: true, namespace: 'a-b' })
    const stored = await workspaces.insert(db, given)
    const found = await workspaces.find(db, owner, given.id)
    assert.deepEqual(found, { ...stored, slot: null })
    assert.deepEqual({ ...found, ...given }, found)
    assert.equal(found?.version, 1)
    assert.equal(found?.booted_config, null)
    assert.equal(await workspaces.find(db, other, given.id), undefined)
    assert.equal(await workspaces.findAny(db, newId('ws')), undefined)
  })

  test('an update bumps the version and the time and leaves the rest alone', async () => {
    const { db } = store()
    const before = await workspaces.insert(db, newWorkspace(await addAccount(db)))
    const after = await workspaces.update(db, before.id, { name: 'new', booted_config: before.config, user_requested_stop: true }, 9)
    assert.deepEqual(after, { ...before, name: 'new', booted_config: before.config, user_requested_stop: true, version: 2, updated_at: 9 })
    assert.equal(await workspaces.update(db, newId('ws'), { name: 'x' }, 1), undefined)
  })

  test('a compare-and-set of an old boot, state or version changes nothing', async () => {
    const { db } = store()
    const row = await workspaces.insert(db, newWorkspace(await addAccount(db), { boot_id: 'boot_1' }))
    const to = { status: 'running' } as const
    assert.equal(await workspaces.compareAndSet(db, { id: row.id, from: ['starting'] }, to, 2), undefined)
    assert.equal(await workspaces.compareAndSet(db, { id: row.id, from: ['creating'], bootId: 'boot_0' }, to, 2), undefined)
    assert.equal(await workspaces.compareAndSet(db, { id: row.id, from: ['creating'], bootId: null }, to, 2), undefined)
    assert.equal(await workspaces.compareAndSet(db, { id: row.id, from: ['creating'], version: 2 }, to, 2), undefined)
    assert.equal(await workspaces.compareAndSet(db, { id: row.id, from: [] }, to, 2), undefined)
    assert.deepEqual(await workspaces.findAny(db, row.id), { ...row, slot: null })
    const moved = await workspaces.compareAndSet(db, { id: row.id, from: ['starting', 'creating'], bootId: 'boot_1', version: 1 }, to, 2)
    assert.deepEqual(moved, { ...row, ...to, version: 2, updated_at: 2 })
  })

  test('of many compare-and-sets at once exactly one wins', async () => {
    const { db } = store()
    const row = await workspaces.insert(db, newWorkspace(await addAccount(db)))
    const all = await Promise.all(
      Array.from({ length: 10 }, (_, n) => workspaces.compareAndSet(db, { id: row.id, from: ['creating'] }, { status: 'running', boot_id: `boot_${n}` }, n)),
    )
    assert.equal(all.filter(Boolean).length, 1)
  })

  test('pages are newest first, stable, filtered and counted', async () => {
    const { db } = store()
    const accountId = await addAccount(db)
    const made = Array.from({ length: 25 }, (_, n) =>
      newWorkspace(accountId, {
        created_at: Math.floor(n / 5),
        mode: n % 2 ? 'permanent' : 'temporary',
        status: n % 5 ? 'running' : 'stopped',
        namespace: n < 3 ? 'few' : null,
      }),
    )
    for (const row of made) await workspaces.insert(db, row)
    await workspaces.insert(db, newWorkspace(await addAccount(db)))
    const newestFirst = [...made].sort((a, b) => b.created_at - a.created_at || (a.id < b.id ? 1 : -1)).map((row) => row.id)
    const pages = [1, 2, 3].map((page) => workspaces.listPage(db, { accountId, page, limit: 10 }))
    const read = await Promise.all(pages)
    assert.deepEqual(
      read.flatMap(({ heads }) => heads.map((head) => head.id)),
      newestFirst,
    )
    assert.deepEqual(
      read.map(({ total }) => total),
      [25, 25, 25],
    )
    const filtered = await workspaces.listPage(db, { accountId, page: 1, limit: 100, mode: 'permanent', status: 'running' })
    assert.equal(filtered.total, made.filter((row) => row.mode === 'permanent' && row.status === 'running').length)
    assert.equal(filtered.heads.length, filtered.total)
    assert.equal((await workspaces.listPage(db, { accountId, page: 1, limit: 2, namespace: 'few' })).total, 3)
    assert.deepEqual(await workspaces.listPage(db, { accountId, page: 1_000_000_000, limit: 100 }), { heads: [], total: 25 })
  })

  test('the total of the list follows every insert and removal, committed or not, at once or not', async () => {
    const { db } = store()
    const accountId = await addAccount(db)
    const total = async () => (await workspaces.listPage(db, { accountId, page: 1, limit: 1 })).total
    assert.equal(await total(), 0)
    const rows = await Promise.all(Array.from({ length: 8 }, () => store().transaction((tx) => workspaces.insert(tx, newWorkspace(accountId)))))
    const undone = store().transaction(async (tx) => {
      await workspaces.insert(tx, newWorkspace(accountId))
      throw new Error('on purpose')
    })
    await assert.rejects(undone)
    assert.equal(await total(), 8)
    await Promise.all(rows.slice(0, 5).flatMap(({ id }) => [workspaces.remove(db, id), workspaces.remove(db, id)]))
    assert.equal(await total(), 3)
    assert.equal((await workspaces.listPage(db, { accountId, page: 1, limit: 1, mode: 'temporary' })).total, 3)
  })

  test('usage is the sum over the rows that remain', async () => {
    const { db } = store()
    const accountId = await addAccount(db)
    assert.deepEqual(await workspaces.usage(db, accountId), {
      count: 0,
      owned: { cpus: 0, memory_mb: 0, disk_mb: 0 },
      running: { cpus: 0, memory_mb: 0, disk_mb: 0 },
    })
    const runs = await workspaces.insert(db, newWorkspace(accountId, { cpus: 2, memory_mb: 100, disk_mb: 1000, status: 'running' }))
    const stopped = await workspaces.insert(db, newWorkspace(accountId, { cpus: 3, memory_mb: 200, disk_mb: 2000, status: 'stopped' }))
    const both = { count: 2, owned: { cpus: 5, memory_mb: 300, disk_mb: 3000 }, running: { cpus: 2, memory_mb: 100, disk_mb: 1000 } }
    assert.deepEqual(await workspaces.usage(db, accountId), both)
    assert.equal((await workspaces.usage(db, accountId, runs.id)).owned.cpus, 3)
    assert.equal(await workspaces.remove(db, stopped.id), true)
    assert.equal(await workspaces.remove(db, stopped.id), false)
    assert.deepEqual((await workspaces.usage(db, accountId)).owned, { cpus: 2, memory_mb: 100, disk_mb: 1000 })
  })

  test('states and images are listed', async () => {
    const { db } = store()
    const row = await workspaces.insert(db, newWorkspace(await addAccount(db), { status: 'deleting', image_digest: `sha256:${newId('img')}` }))
    assert.ok((await workspaces.listByStatus(db, ['deleting', 'starting'])).some(({ id }) => id === row.id))
    assert.deepEqual(await workspaces.listByStatus(db, []), [])
    assert.ok((await workspaces.listIds(db)).includes(row.id))
    assert.ok((await workspaces.listImageDigests(db)).has(row.image_digest ?? ''))
  })

  test('twenty admissions at once against a limit of three give exactly three', async () => {
    const accountId = await addAccount(store().db)
    const request = { cpus: 1, memory_mb: 512, disk_mb: 512 }
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, () =>
        store().transaction(async (tx) => {
          await checkAdmission(tx, { accountId, plan, request, running: true })
          const row = await workspaces.insert(tx, newWorkspace(accountId))
          const slot = await slots.allocate(tx, row.id, 1, { restMs: 60_000 })
          assert.equal((await workspaces.findAny(tx, row.id))?.slot, slot)
        }),
      ),
    )
    const refused = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? outcome.reason.code : []))
    assert.deepEqual(refused, Array(17).fill('SANDBOX_LIMIT_REACHED'))
    assert.equal((await workspaces.usage(store().db, accountId)).count, 3)
  })

  test('slots of concurrent transactions of different accounts are distinct', async () => {
    const ids = Array.from({ length: 20 }, () => newId('ws'))
    const taken = await Promise.all(ids.map((id) => store().transaction((tx) => slots.allocate(tx, id, 1, { restMs: 1 }))))
    assert.equal(new Set(taken).size, 20)
    await store().transaction(async (tx) => {
      for (const id of ids) await slots.release(tx, id, 1)
    })
  })

  test('a failed transaction leaves nothing behind', async () => {
    const accountId = await addAccount(store().db)
    const lost = store().transaction(async (tx) => {
      await workspaces.insert(tx, newWorkspace(accountId))
      throw new Error('on purpose')
    })
    await assert.rejects(lost, /on purpose/)
    assert.equal((await workspaces.usage(store().db, accountId)).count, 0)
  })

  test('a read outside does not wait for an open transaction and sees the state before it', async () => {
    const accountId = await addAccount(store().db)
    await store().transaction(async (tx) => {
      await workspaces.insert(tx, newWorkspace(accountId))
      assert.equal((await workspaces.usage(store().db, accountId)).count, 0)
    })
    assert.equal((await workspaces.usage(store().db, accountId)).count, 1)
  })

  test('a fact is stored once however many ask at once', async () => {
    const { db } = store()
    const key = newId('req')
    assert.equal(await meta.find(db, key), undefined)
    const values = await Promise.all(['a', 'b', 'c', 'd'].map((value) => meta.getOrInsert(db, key, value)))
    assert.equal(new Set(values).size, 1)
    assert.equal(await meta.find(db, key), values[0])
  })

  test('a revoked key is not active any more', async () => {
    const { db } = store()
    const accountId = await addAccount(db, 'scale')
    const id = newId('key')
    await keys.insert(db, { id, account_id: accountId, secret_hash: 'a'.repeat(64), created_at: 1 })
    assert.deepEqual({ ...(await keys.findActive(db, id)) }, { keyId: id, accountId, plan: 'scale', secretHash: 'a'.repeat(64) })
    assert.equal(await keys.revoke(db, id, 2), true)
    assert.equal(await keys.revoke(db, id, 3), false)
    assert.equal(await keys.findActive(db, id), undefined)
    assert.deepEqual(
      (await keys.listByAccount(db, accountId)).map((key) => key.revoked_at),
      [2],
    )
  })

  test('an account name is taken once and an unknown account is not found', async () => {
    const { db } = store()
    const name = newId('acc')
    const row = (id: string) => ({ id, name, plan: 'pro', created_at: 1 })
    assert.equal(await accounts.insert(db, row(`${name}1`)), true)
    assert.equal(await accounts.insert(db, row(`${name}2`)), false)
    await accounts.setPlan(db, `${name}1`, 'scale')
    assert.equal((await accounts.findByName(db, name))?.plan, 'scale')
    assert.ok((await accounts.list(db)).some((account) => account.name === name))
    await assert.rejects(accounts.get(db, 'acc_none'), { code: 'not_found' })
  })

  test('the same database opened a second time is the same database', async () => {
    const accountId = await addAccount(store().db)
    const second = await openTestStore(context().url)
    try {
      assert.equal((await accounts.get(second.db, accountId)).id, accountId)
      await Promise.all(
        [store(), second].flatMap((each) =>
          Array.from({ length: 10 }, () => each.transaction(async (tx) => void (await workspaces.insert(tx, newWorkspace(accountId))))),
        ),
      )
      assert.equal((await workspaces.usage(store().db, accountId)).count, 20)
    } finally {
      await second.close()
    }
  })

  test('a database of a newer server is refused and left alone', async () => {
    const { db } = store()
    await db.executeQuery({
      ...db.selectFrom('meta').selectAll().compile(),
      sql: "insert into schema_migrations (version, name) values (99, 'newer')",
      parameters: [],
    })
    try {
      await assert.rejects(
        openTestStore(context().url),
        (error: { code?: string; message: string }) => error.code === 'service_unavailable' && /99/.test(error.message),
      )
    } finally {
      await db.executeQuery({ ...db.selectFrom('meta').selectAll().compile(), sql: 'delete from schema_migrations where version = 99', parameters: [] })
    }
  })
}
