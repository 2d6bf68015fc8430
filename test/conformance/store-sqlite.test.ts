/** The store on SQLite. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before } from 'node:test'
import type { Store } from '../../packages/server/src/store/open.ts'
import { openTestStore } from '../support/store.ts'
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

storeSuite(() => ({ store, url: url() }))
