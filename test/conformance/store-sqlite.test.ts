/** The store on SQLite. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before } from 'node:test'
import type { Store } from '../../packages/server/src/store/open.ts'
import { openTestStore } from '../support/store.ts'
import { storeAuditSuite } from './store-audit-suite.ts'
import { storeDueSuite } from './store-due-suite.ts'
import { storeHistorySuite } from './store-history-suite.ts'
import { storeSuite } from './store-suite.ts'

let store: Store
let directory: string
const url = () => `sqlite:${directory}/alcove.db`

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'store-'))
  store = await openTestStore(url())
})

after(async () => {
  await store?.close()
  await rm(directory, { recursive: true, force: true })
})

let databases = 0
const emptyUrl = async () => `sqlite:${directory}/empty-${++databases}.db`

storeSuite(() => ({ store, url: url() }))
storeHistorySuite(() => ({ store, emptyUrl }))
storeAuditSuite(() => ({ emptyUrl }))
storeDueSuite(() => ({ store, emptyUrl }))
