/** The store on PostgreSQL. */
import assert from 'node:assert/strict'
import test, { after, before } from 'node:test'
import * as accounts from '../../packages/server/src/store/accounts.ts'
import type { Store } from '../../packages/server/src/store/open.ts'
import { startPostgres, type TestPostgres } from '../support/postgres.ts'
import { addAccount, openTestStore } from '../support/store.ts'
import { storeAuditSuite } from './store-audit-suite.ts'
import { storeDueSuite } from './store-due-suite.ts'
import { storeHistorySuite } from './store-history-suite.ts'
import { storeSuite } from './store-suite.ts'

let server: TestPostgres
let store: Store
let url: string

before(async () => {
  server = await startPostgres()
  url = await server.createDatabase('alcove')
  store = await openTestStore(url)
})

after(async () => {
  await store?.close()
  await server?.stop()
})

let databases = 0
const emptyUrl = () => server.createDatabase(`empty_${++databases}`)

storeSuite(() => ({ store, url }))
storeHistorySuite(() => ({ store, emptyUrl }))
storeAuditSuite(() => ({ emptyUrl }))
storeDueSuite(() => ({ store, emptyUrl }))

test('a transaction that lost a deadlock is run again', async () => {
  const [a, b] = [await addAccount(store.db), await addAccount(store.db)]
  const held = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  let runs = 0
  const crossing = (first: string, second: string, mine: number) =>
    store.transaction(async (tx) => {
      runs++
      await accounts.lockAccount(tx, first)
      held[mine]?.resolve()
      await held[1 - mine]?.promise
      await accounts.lockAccount(tx, second)
    })
  await Promise.all([crossing(a, b, 0), crossing(b, a, 1)])
  assert.ok(runs > 2, 'nothing collided')
})

test('servers that start at once on an empty database make one schema', async () => {
  const empty = await server.createDatabase('empty')
  const stores = await Promise.all([1, 2, 3].map(() => openTestStore(empty)))
  for (const each of stores) await each.close()
})

test('a cut connection is an unavailable service, and the next call works', async () => {
  const cut = store.transaction(async (tx) => {
    await tx.executeQuery({ ...tx.selectFrom('meta').selectAll().compile(), sql: 'select pg_terminate_backend(pg_backend_pid())', parameters: [] })
  })
  await assert.rejects(cut, { code: 'service_unavailable' })
  await accounts.list(store.db)
})

test('a server that is not there is an unavailable service', async () => {
  await assert.rejects(openTestStore('postgres://alcove@/none?host=%2Fnonexistent'), { code: 'service_unavailable' })
})
