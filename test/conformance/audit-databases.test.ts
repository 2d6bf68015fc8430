/** The auditor's way to the database: the same rows from both, and no way to change them. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { compareIntegrity, observeIntegrity } from '../../packages/server/src/audit/integrity.ts'
import { openToRead, readDeleted, readRows, readTouched } from '../../packages/server/src/audit/read-database.ts'
import * as audit from '../../packages/server/src/store/audit.ts'
import * as meta from '../../packages/server/src/store/meta.ts'
import type { Store } from '../../packages/server/src/store/open.ts'
import * as slots from '../../packages/server/src/store/slots.ts'
import * as workspaces from '../../packages/server/src/store/workspaces.ts'
import { startPostgres } from '../support/postgres.ts'
import { addAccount, newWorkspace, openTestStore, sqliteStore } from '../support/store.ts'

async function fromPostgres(t: TestContext): Promise<{ store: Store; url: string }> {
  const server = await startPostgres()
  t.after(() => server.stop())
  const url = await server.createDatabase('audited')
  const store = await openTestStore(url)
  t.after(() => store.close())
  return { store, url }
}

for (const [dialect, open] of Object.entries({ sqlite: sqliteStore, postgres: fromPostgres })) {
  test(`${dialect}: rows are read whole, and nothing can be written`, async (t) => {
    const { store, url } = await open(t)
    await assert.rejects(async () => readRows(await openAudited(t, url)), /no daemon has served/i)
    await meta.getOrInsert(store.db, 'install_id', 'abc')
    await meta.getOrInsert(store.db, 'uid_base', '4096')
    const account = await addAccount(store.db)
    const { id } = await store.transaction((tx) => workspaces.insert(tx, newWorkspace(account)))
    const slot = await store.transaction((tx) => slots.allocate(tx, id, 1, { restMs: 0 }))
    const entry = {
      at: 1,
      account_id: account,
      actor: 'key',
      action: 'create',
      target: id,
      outcome: 'done',
      code: null,
      request_id: null,
      operation_id: null,
    } as const
    for (const _ of [1, 2]) await store.transaction((tx) => audit.append(tx, entry))

    const database = await openAudited(t, url)
    const rows = await readRows(database)
    assert.deepEqual([rows.installId, rows.uidBase, rows.lastEvent], ['abc', 4096, 0])
    assert.deepEqual(
      rows.workspaces.map((row) => [row.id, row.slot, typeof row.version, typeof row.config]),
      [[id, slot, 'number', 'object']],
    )
    assert.deepEqual(rows.totals, [{ account_id: account, total: 1 }])
    assert.deepEqual([[...(await readTouched(database, 0))], [...(await readDeleted(database, [id]))]], [[], []])
    assert.deepEqual(compareIntegrity(await observeIntegrity(database)), { findings: [], checked: { auditRows: 2 } })
    await assert.rejects(database.db.updateTable('accounts').set({ plan: 'x' }).execute(), /read-?only/i)
  })
}

test('a database that is not there is told, and not made', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'audited-'))
  try {
    await assert.rejects(openToRead(`sqlite:${directory}/alcove.db`), { code: 'service_unavailable' })
    assert.equal(existsSync(join(directory, 'alcove.db')), false)
  } finally {
    await rm(directory, { recursive: true })
  }
})

async function openAudited(t: TestContext, url: string) {
  const database = await openToRead(url)
  t.after(() => database.close())
  return database
}
