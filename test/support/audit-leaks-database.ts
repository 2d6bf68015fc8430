/** Leaks that are rows. They are planted by a connection of their own, with triggers and references out of the way. */
import { join } from 'node:path'
import SqliteDatabase from 'better-sqlite3'
import type { Leak, Subject } from './audit-leaks.ts'

/** Rows as they must not be. */
export const databaseLeaks: readonly Leak[] = [
  {
    invariant: 'N9',
    name: 'a slot whose holder does not exist',
    plant: (subject) =>
      planted(subject, 'slot 65000', `insert into slots (slot, workspace_id) values (65000, 'ws_nobodynobody')`, 'delete from slots where slot = 65000'),
  },
  {
    invariant: 'N10',
    name: 'a count that drifted',
    plant: (subject) => planted(subject, 'account acc_', 'update workspace_totals set total = total + 1', 'update workspace_totals set total = total - 1'),
  },
  {
    invariant: 'N10',
    name: 'a workspace that is counted with another size',
    plant: (subject) => {
      const change = (sign: '+' | '-') => `update workspaces set memory_mb = memory_mb ${sign} 1 where id = '${subject.running}'`
      return planted(subject, `workspace ${subject.running}`, change('+'), change('-'))
    },
  },
  {
    invariant: 'N11',
    name: 'a start whose deadline was an hour ago',
    plant: (subject) => {
      const change = (values: string) => `update workspaces set ${values} where id = '${subject.stopped}'`
      return planted(
        subject,
        subject.stopped,
        change(`status = 'starting', deadline_at = ${Date.now() - 3_600_000}`),
        change(`status = 'stopped', deadline_at = null`),
      )
    },
  },
  {
    invariant: 'N11',
    name: 'an operation that never ended',
    plant: (subject) =>
      planted(
        subject,
        'operation op_planted',
        `insert into operations (id, account_id, workspace_id, verb, status, actor, cause, steps, created_at)
          values ('op_planted', 'acc_nobody', '${subject.running}', 'restart', 'running', 'system', 'request', '[]', 1)`,
        `delete from operations where id = 'op_planted'`,
      ),
  },
  {
    invariant: 'N14',
    name: 'a reference that leads nowhere',
    plant: (subject) =>
      planted(
        subject,
        'row api_keys',
        `insert into api_keys (id, account_id, secret_hash, created_at) values ('key_planted', 'acc_nobody', '${'0'.repeat(64)}', 1)`,
        `delete from api_keys where id = 'key_planted'`,
      ),
  },
  {
    invariant: 'N14',
    name: 'an audit row that was slipped in',
    plant: (subject) =>
      planted(
        subject,
        'audit chain',
        `insert into audit (seq, at, actor, action, outcome, prev_hash, hash)
          select coalesce(max(seq), 0) + 1, 1, 'key_planted', 'delete', 'done', '${'1'.repeat(64)}', '${'2'.repeat(64)}' from audit`,
        `delete from audit where actor = 'key_planted'`,
      ),
  },
]

async function planted({ dataDir }: Subject, object: string, plant: string, remove: string) {
  write(dataDir, plant)
  return { object, remove: async () => write(dataDir, remove) }
}

/** Changes the database as nobody should: without its triggers, and without its references being checked. */
function write(dataDir: string, statement: string): void {
  const file = new SqliteDatabase(join(dataDir, 'alcove.db'), { timeout: 5000 })
  try {
    file.pragma('foreign_keys = off')
    const triggers = file.prepare("select name, sql from sqlite_master where type = 'trigger'").all() as { name: string; sql: string }[]
    file.transaction(() => {
      for (const { name } of triggers) file.exec(`drop trigger ${name}`)
      file.exec(statement)
      for (const { sql } of triggers) file.exec(sql)
    })()
  } finally {
    file.close()
  }
}
