import assert from 'node:assert/strict'
import { stat } from 'node:fs/promises'
import test, { type TestContext } from 'node:test'
import SqliteDatabase from 'better-sqlite3'
import { addAccount, sqliteStore } from '../../../../test/support/store.ts'
import { systemClock } from '../lib/clock.ts'
import { createLogger } from '../lib/log.ts'
import * as accounts from './accounts.ts'
import { openStore } from './open.ts'

/** A wait without an end fails here and not by the patience of whoever runs this. */
const bounded = { timeout: 20_000 }

test('a write waits for another process without stopping the event loop', async (t) => {
  const { store, directory } = await sqliteStore(t)
  const other = new SqliteDatabase(`${directory}/alcove.db`)
  t.after(() => other.close())
  other.exec('begin immediate')
  let done = false
  const written = [addAccount(store.db), store.transaction((tx) => addAccount(tx))].map(async (write) => {
    await write
    done = true
  })
  // Reads go on meanwhile.
  for (let turn = 0; turn < 20; turn++) {
    await accounts.list(store.db)
    await new Promise((resolve) => setImmediate(resolve))
  }
  assert.equal(done, false)
  other.exec('commit')
  await Promise.all(written)
  assert.equal((await accounts.list(store.db)).length, 2)
})

test('what is acknowledged survives a power cut: WAL, synchronous FULL, foreign keys on', async (t) => {
  const { store } = await sqliteStore(t)
  const pragma = (name: string) =>
    store.transaction(async (tx) => {
      const { rows } = await tx.executeQuery<Record<string, unknown>>({ ...tx.selectFrom('meta').selectAll().compile(), sql: `pragma ${name}`, parameters: [] })
      return Object.values(rows[0] ?? {})[0]
    })
  assert.equal(await pragma('journal_mode'), 'wal')
  assert.equal(await pragma('synchronous'), 2)
  assert.equal(await pragma('foreign_keys'), 1)
})

test('the database is readable by its owner alone', async (t) => {
  const { store, directory } = await sqliteStore(t)
  await addAccount(store.db)
  for (const suffix of ['', '-wal', '-shm']) assert.equal((await stat(`${directory}/alcove.db${suffix}`)).mode & 0o777, 0o600)
})

/** A store whose long waits are over at once when `hurry` says so, and whose clock stands still. */
async function hurriedStore(t: TestContext) {
  const { directory, url } = await sqliteStore(t)
  const knobs = { hurry: false }
  const clock = {
    ...systemClock,
    monotonic: () => 0,
    sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(knobs.hurry && ms > 1000 ? 20 : ms, signal),
    deadline: (ms: number) => systemClock.deadline(knobs.hurry ? 20 : ms),
  }
  const store = await openStore({ url, clock, log: createLogger('silent') })
  t.after(() => store.close())
  knobs.hurry = true
  return { store, directory }
}

const unavailable = { code: 'service_unavailable' }

test('a write inside a transaction that bypasses it ends with an error instead of never', bounded, async (t) => {
  const { store } = await hurriedStore(t)
  await assert.rejects(
    store.transaction(() => addAccount(store.db)),
    unavailable,
  )
  await addAccount(store.db)
})

test('a transaction that does not end is rolled back, and others write again', bounded, async (t) => {
  const { store } = await hurriedStore(t)
  const stuck = store.transaction(async (tx) => {
    await addAccount(tx)
    await new Promise(() => {})
  })
  await assert.rejects(stuck, unavailable)
  await addAccount(store.db)
  assert.equal((await accounts.list(store.db)).length, 1)
})

test('what a transaction does after it was given up is refused and changes nothing', bounded, async (t) => {
  const { store } = await hurriedStore(t)
  const { promise, resolve } = Promise.withResolvers<void>()
  const late = Promise.withResolvers<string>()
  const given = store.transaction(async (tx) => {
    await promise
    addAccount(tx).then(late.resolve, late.reject)
  })
  await assert.rejects(given, unavailable)
  resolve()
  await assert.rejects(late.promise)
  assert.deepEqual(await accounts.list(store.db), [])
})

test('a file that another process never lets go ends a write and a transaction with an error, whatever the clock says', bounded, async (t) => {
  const { store, directory } = await hurriedStore(t)
  const other = new SqliteDatabase(`${directory}/alcove.db`)
  t.after(() => other.close())
  other.exec('begin immediate')
  await assert.rejects(addAccount(store.db), unavailable)
  await assert.rejects(
    store.transaction((tx) => addAccount(tx)),
    unavailable,
  )
  other.exec('rollback')
  await addAccount(store.db)
})

test('closing ends although a transaction does not', bounded, async (t) => {
  const { store } = await hurriedStore(t)
  const begun = Promise.withResolvers<void>()
  const stuck = store.transaction(() => {
    begun.resolve()
    return new Promise(() => {})
  })
  stuck.catch(() => {})
  await begun.promise
  await store.close()
})

test('a failing statement is told as what it is', async (t) => {
  const { store } = await sqliteStore(t)
  const limit = async (pages: number) => {
    await store.transaction(async (tx) => {
      await tx.executeQuery({ ...tx.selectFrom('meta').selectAll().compile(), sql: `pragma max_page_count = ${pages}`, parameters: [] })
    })
  }
  await limit(1)
  const big = { id: 'acc_big', name: 'x'.repeat(100_000), plan: 'pro', created_at: 1 }
  await assert.rejects(accounts.insert(store.db, big), { code: 'storage_full' })
  await assert.rejects(
    store.transaction((tx) => accounts.insert(tx, big)),
    { code: 'storage_full' },
  )
  await limit(1_000_000)
  assert.equal(await accounts.insert(store.db, big), true)
})
