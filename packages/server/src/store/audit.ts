/** The audit chain: who did what, and what was denied. Each row holds the hash of the one before, so that none can be changed or left out unseen. */
import { createHash } from 'node:crypto'
import type { Selectable } from 'kysely'
import { prepare } from './prepared.ts'
import type { AuditTable, Queryable } from './schema.ts'
import { serializeAppends } from './serialized.ts'

/** A row of the chain. */
export type AuditRow = Selectable<AuditTable>

/** What is recorded; number and hashes follow by themselves. */
export type NewAudit = Omit<AuditRow, 'seq' | 'prev_hash' | 'hash'>

/** `prev_hash` of the first row. */
const origin = '0'.repeat(64)

const selectLast = prepare<Pick<AuditRow, 'seq' | 'hash'>>('select seq, hash from audit order by seq desc limit 1')

/** Adds a row. Belongs into the transaction that makes the change. */
export async function append(q: Queryable, entry: NewAudit): Promise<void> {
  await serializeAppends(q)
  const [last] = await selectLast(q, [])
  const row = { ...entry, seq: (last?.seq ?? 0) + 1, prev_hash: last?.hash ?? origin }
  await q
    .insertInto('audit')
    .values({ ...row, hash: hashOf(row) })
    .execute()
}

/** Where a chain breaks. */
export interface AuditBreak {
  readonly seq: number
  readonly message: string
}

/** Reads the whole chain and returns how many rows it has, and its first break if there is one. */
export async function verify(q: Queryable): Promise<{ readonly rows: number; readonly broken: AuditBreak | undefined }> {
  let rows = 0
  let previous = { seq: 0, hash: origin }
  for (;;) {
    const page = await q.selectFrom('audit').selectAll().where('seq', '>', previous.seq).orderBy('seq').limit(1000).execute()
    for (const row of page) {
      const message = faultOf(row, previous)
      if (message !== undefined) return { rows, broken: { seq: row.seq, message } }
      rows++
      previous = row
    }
    if (page.length === 0) return { rows, broken: undefined }
  }
}

function faultOf(row: AuditRow, previous: { readonly seq: number; readonly hash: string }): string | undefined {
  if (row.seq !== previous.seq + 1) return `row ${previous.seq + 1} is missing`
  if (row.prev_hash !== previous.hash) return `row ${row.seq} does not follow row ${previous.seq}`
  if (row.hash !== hashOf(row)) return `row ${row.seq} was changed`
  return undefined
}

function hashOf(row: Omit<AuditRow, 'hash'>): string {
  const fields = [row.seq, row.at, row.account_id, row.actor, row.action, row.target, row.outcome, row.code, row.request_id, row.operation_id, row.prev_hash]
  return createHash('sha256').update(JSON.stringify(fields)).digest('hex')
}
