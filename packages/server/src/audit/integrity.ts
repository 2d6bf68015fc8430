/** N14: the database is whole, its references lead somewhere, and its audit chain is complete. */
import * as audit from '../store/audit.ts'
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
}

/** Lets the database check itself. PostgreSQL does so with every page and every row it touches. */
export async function observeIntegrity(database: ReadDatabase): Promise<ObservedIntegrity> {
  const { rows: auditRows, broken } = await audit.verify(database.db)
  if (database.dialect === 'postgres') return { damage: [], dangling: [], auditRows, broken }
  const lines = await pragma<{ integrity_check: string }>(database, 'integrity_check(20)')
  const dangling = await pragma<{ table: string; rowid: number | null; parent: string }>(database, 'foreign_key_check')
  return {
    ...{ auditRows, broken },
    damage: lines.map(({ integrity_check: line }) => line).filter((line) => line !== 'ok'),
    dangling: dangling.map(({ table, rowid, parent }) => `${table} ${rowid} → ${parent}`),
  }
}

/** Judges what it said. */
export function compareIntegrity({ damage, dangling, auditRows, broken }: ObservedIntegrity): Judgement {
  const { findings, add } = notes('N14')
  const restore = 'restore the database from a backup, and find out who writes it besides the daemon'
  if (damage.length > 0) add('database', `The database is damaged: ${damage[0]}.`, restore, { damage })
  for (const reference of dangling) add(`row ${reference}`, 'It refers to a row that is not there.', restore)
  if (broken) add('audit chain', `It is broken: ${broken.message}.`, 'keep a copy as evidence: somebody has changed the record of what was done', { ...broken })
  return { findings, checked: { auditRows } }
}
