/** What every database must do for the audit chain. Run on SQLite and on PostgreSQL. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { sql } from 'kysely'
import * as audit from '../../packages/server/src/store/audit.ts'
import type { Store } from '../../packages/server/src/store/open.ts'
import { newAudit, openTestStore } from '../support/store.ts'

/** Registers the tests. @param context makes empty databases once `before` hooks have run */
export function storeAuditSuite(context: () => { readonly emptyUrl: () => Promise<string> }): void {
  test('the audit chain holds whoever appends at once, and no row of it can be changed or removed', async () => {
    const own = await openTestStore(await context().emptyUrl())
    try {
      await Promise.all(Array.from({ length: 20 }, (_, at) => own.transaction((tx) => audit.append(tx, newAudit({ at })))))
      const undone = own.transaction(async (tx) => {
        await audit.append(tx, newAudit())
        throw new Error('on purpose')
      })
      await assert.rejects(undone)
      assert.deepEqual(await audit.verify(own.db), { rows: 20, broken: undefined })
      await assert.rejects(own.db.updateTable('audit').set({ actor: 'x' }).where('seq', '=', 3).execute(), /append-only/)
      await assert.rejects(own.db.deleteFrom('audit').where('seq', '=', 20).execute(), /append-only/)
      if (own.dialect === 'postgres') await assert.rejects(sql`truncate audit`.execute(own.db), /append-only/)
    } finally {
      await own.close()
    }
  })

  test('whoever gets past the guards and changes, removes, inserts or swaps rows of the chain is found out, with the place', async () => {
    const own = await openTestStore(await context().emptyUrl())
    try {
      const { db } = own
      for (let at = 0; at < 6; at++) await own.transaction((tx) => audit.append(tx, newAudit({ at, target: at % 2 ? null : 'ws_a' })))
      await liftAuditGuards(own)
      const rows = await db.selectFrom('audit').selectAll().orderBy('seq').execute()
      const restore = async () => {
        await db.deleteFrom('audit').execute()
        for (const row of rows) await db.insertInto('audit').values(row).execute()
        assert.deepEqual(await audit.verify(db), { rows: 6, broken: undefined })
      }
      const third = rows[2]
      assert.ok(third)
      const { seq: _seq, ...others } = third
      const tampering: [name: string, seq: number, act: () => Promise<unknown>][] = [
        ...(Object.keys(others) as (keyof typeof others)[]).map((column): [string, number, () => Promise<unknown>] => {
          const value = column === 'at' ? 99 : column === 'outcome' ? 'denied' : 'f'.repeat(64)
          return [
            `${column} changed`,
            3,
            () =>
              db
                .updateTable('audit')
                .set({ [column]: value })
                .where('seq', '=', 3)
                .execute(),
          ]
        }),
        ['one removed', 4, () => db.deleteFrom('audit').where('seq', '=', 3).execute()],
        ['the first removed', 2, () => db.deleteFrom('audit').where('seq', '=', 1).execute()],
        [
          'one put in',
          7,
          () =>
            db
              .insertInto('audit')
              .values({ ...third, seq: 7 })
              .execute(),
        ],
        // A forger who knows the hash: the row holds, the one after it does not follow.
        [
          'one forged',
          4,
          async () => {
            await db.deleteFrom('audit').where('seq', '>=', 3).execute()
            await own.transaction((tx) => audit.append(tx, newAudit({ actor: 'somebody else' })))
            for (const row of rows.slice(3)) await db.insertInto('audit').values(row).execute()
          },
        ],
      ]
      for (const [name, seq, act] of tampering) {
        await act()
        const { broken } = await audit.verify(db)
        assert.equal(broken?.seq, seq, `${name}: ${broken?.message}`)
        await restore()
      }
    } finally {
      await own.close()
    }
  })
}

/** What somebody with the rights of the owner may do. */
async function liftAuditGuards({ db, dialect }: Store): Promise<void> {
  const statements =
    dialect === 'sqlite' ? ['drop trigger audit_no_update', 'drop trigger audit_no_delete'] : ['alter table audit disable trigger audit_append_only']
  for (const statement of statements) await sql.raw(statement).execute(db)
}
