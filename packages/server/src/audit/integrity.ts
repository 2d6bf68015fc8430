/** N14: the database is whole, its references lead somewhere, and its audit chain is complete. */
import * as audit from '../store/audit.ts'
import { prepare } from '../store/prepared.ts'
import { type Judgement, notes } from './finding.ts'
import { pragma, type ReadDatabase } from './read-database.ts'

/** What the database says of itself. */
export interface ObservedIntegrity {
  /** What is damaged; empty when nothing is. */
  readonly damage: readonly string[]
  /** Rows that refer to a row that is not there, as `table row → table`. */
  readonly dangling: readonly string[]
  readonly auditRows: number
  /** Where the audit chain breaks first. */
  readonly broken: audit.AuditBreak | undefined
  /** Operations that have ended and that the chain does not have: its end was cut off. */
  readonly unrecorded: readonly string[]
}

/** Lets the database check itself. PostgreSQL does so with every page and every row it touches. */
export async function observeIntegrity(database: ReadDatabase): Promise<ObservedIntegrity> {
  const { rows: auditRows, broken } = await audit.verify(database.db)
  const unrecorded = (await selectUnrecorded(database.db, [])).map(({ id }) => id)
  if (database.dialect === 'postgres') return { damage: [], dangling: [], auditRows, broken, unrecorded }
  const lines = await pragma<{ integrity_check: string }>(database, 'integrity_check(20)')
  const dangling = await pragma<{ table: string; rowid: number | null; parent: string }>(database, 'foreign_key_check')
  return {
    ...{ auditRows, broken, unrecorded },
    damage: lines.map(({ integrity_check: line }) => line).filter((line) => line !== 'ok'),
    dangling: dangling.map(({ table, rowid, parent }) => `${table} ${rowid} → ${parent}`),
  }
}

const selectUnrecorded = prepare<{ id: string }>(
  "select id from operations where status <> 'running' and not exists (select 1 from audit where audit.operation_id = operations.id) limit 20",
)

/** Judges what it said. */
export function compareIntegrity({ damage, dangling, auditRows, broken, unrecorded }: ObservedIntegrity): Judgement {
  const { findings, add } = notes('N14')
  const restore = 'restore the database from a backup, and find out who writes it besides the daemon'
  if (damage.length > 0) add('database', `The database is damaged: ${damage[0]}.`, restore, { damage })
  for (const reference of dangling) add(`row ${reference}`, 'It refers to a row that is not there.', restore)
  const evidence = 'keep a copy as evidence: somebody has changed the record of what was done'
  if (broken) add('audit chain', `It is broken: ${broken.message}.`, evidence, { ...broken })
  if (unrecorded.length > 0) add('audit chain end', `It lacks what was done last: ${unrecorded[0]}.`, evidence, { operations: unrecorded })
  return { findings, checked: { auditRows } }
}
