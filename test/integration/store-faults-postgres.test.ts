/** PostgreSQL that dies or crawls: told as unavailable, found again by itself, and no transaction half. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { createConnection, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { after, before } from 'node:test'
import { AlcoveError } from '../../packages/server/src/lib/fail.ts'
import type { Store } from '../../packages/server/src/store/open.ts'
import { startPostgres, type TestPostgres } from '../support/postgres.ts'
import { addAccount, openTestStore } from '../support/store.ts'
import { eventually } from '../support/vmm.ts'

let postgres: TestPostgres
before(async () => {
  postgres = await startPostgres()
})
after(() => postgres.stop())

const isUnavailable = (error: unknown) => error instanceof AlcoveError && error.code === 'service_unavailable' && error.status === 503

async function countAccounts(store: Store): Promise<number> {
  return (await store.db.selectFrom('accounts').select('id').execute()).length
}

test('a server that is killed inside a transaction is told as unavailable, nothing half stays, and the same store goes on', async (t) => {
  const store = await openTestStore(await postgres.createDatabase('killed'))
  t.after(() => store.close())
  await addAccount(store.db)
  const cut = store.transaction(async (tx) => {
    await addAccount(tx)
    await postgres.kill9()
    await addAccount(tx)
  })
  await assert.rejects(cut, isUnavailable)
  await assert.rejects(countAccounts(store), isUnavailable)
  await postgres.restart()
  assert.equal(await countAccounts(store), 1, 'the transaction left nothing')
  await store.transaction((tx) => addAccount(tx))
  assert.equal(await countAccounts(store), 2)
})

test('idle connections that the death of the server broke cost no request after its return', async (t) => {
  const store = await openTestStore(await postgres.createDatabase('idle'))
  t.after(() => store.close())
  await Promise.all(Array.from({ length: 8 }, () => countAccounts(store)))
  await postgres.kill9()
  await postgres.restart()
  await eventually('eight reads in a row succeed', async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => countAccounts(store)))
    for (const outcome of outcomes) if (outcome.status === 'rejected') assert.ok(isUnavailable(outcome.reason), String(outcome.reason))
    return outcomes.every(({ status }) => status === 'fulfilled')
  })
})

test('a database that takes seconds for each answer loses nothing, and a transaction ends by its deadline', { timeout: 120_000 }, async (t) => {
  const url = await postgres.createDatabase('slow')
  const fast = await openTestStore(url)
  t.after(() => fast.close())
  const slow = await slowWay(t, new URL(url.replace('@/', '@host/')).searchParams.get('host') ?? '')
  const store = await openTestStore(url.replace(/host=[^&]+/, `host=${encodeURIComponent(slow.directory)}`))
  t.after(() => store.close())
  slow.delay(2000)
  const [first, second] = await Promise.all([addAccount(store.db), countAccounts(store)])
  assert.ok(first)
  assert.ok(second >= 0)
  const long = store.transaction(async (tx) => {
    for (let index = 0; index < 10; index++) await addAccount(tx)
  })
  await assert.rejects(long, (error) => isUnavailable(error) && /did not end within/.test(String(error)))
  slow.delay(0)
  assert.equal(await countAccounts(fast), 1, 'the transaction was rolled back as a whole')
  await store.transaction((tx) => addAccount(tx))
  assert.equal(await countAccounts(fast), 2)
})

/** A way to the server on which each piece of an answer takes its time. */
async function slowWay(t: { after(fn: () => Promise<void>): void }, server: string) {
  const directory = await mkdtemp(join(tmpdir(), 'slow-pg-'))
  const sockets = new Set<Socket>()
  let delayMs = 0
  const way = createServer((client) => {
    const upstream = createConnection(join(server, '.s.PGSQL.5432'))
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => {})
      socket.on('close', () => (socket === client ? upstream : client).destroy())
    }
    client.pipe(upstream)
    // Each piece waits as long as the others, so their order stays.
    upstream.on('data', (piece) => setTimeout(() => client.write(piece), delayMs))
  })
  await new Promise<void>((resolve) => way.listen(join(directory, '.s.PGSQL.5432'), resolve))
  t.after(async () => {
    for (const socket of sockets) socket.destroy()
    way.close()
    await rm(directory, { recursive: true, force: true })
  })
  const delay = (ms: number): void => {
    delayMs = ms
  }
  return { directory, delay }
}
