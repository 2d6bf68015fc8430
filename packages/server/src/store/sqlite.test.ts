import assert from 'node:assert/strict'
import { stat } from 'node:fs/promises'
import test from 'node:test'
import SqliteDatabase from 'better-sqlite3'
import { addAccount, sqliteStore } from '../../../../test/support/store.ts'
import * as accounts from './accounts.ts'
import { openStore } from './open.ts'

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

test('a write inside a transaction that bypasses it ends with an error instead of never', async (t) => {
  const { directory } = await sqliteStore(t)
  const { systemClock } = await import('../lib/clock.ts')
  const { createLogger } = await import('../lib/log.ts')
  const clock = { ...systemClock, sleep: (_ms: number, signal?: AbortSignal) => systemClock.sleep(10, signal) }
  const store = await openStore({ url: `sqlite:${directory}/alcove.db`, clock, log: createLogger('silent') })
  await assert.rejects(
    store.transaction(() => addAccount(store.db)),
    { code: 'service_unavailable' },
  )
  await addAccount(store.db)
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
