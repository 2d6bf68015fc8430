/** Stores for tests, and rows to put into them. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Config } from '@alcove/contract'
import { Kysely } from 'kysely'
import { systemClock } from '../../packages/server/src/lib/clock.ts'
import { newId } from '../../packages/server/src/lib/ids.ts'
import { createLogger } from '../../packages/server/src/lib/log.ts'
import * as accounts from '../../packages/server/src/store/accounts.ts'
import type { NewAudit } from '../../packages/server/src/store/audit.ts'
import type { NewEvent } from '../../packages/server/src/store/events.ts'
import { migrate, migrations } from '../../packages/server/src/store/migrate.ts'
import { openStore, type Queryable, type Store, type Tx } from '../../packages/server/src/store/open.ts'
import type { NewOperation } from '../../packages/server/src/store/operations.ts'
import { postgresDialect } from '../../packages/server/src/store/postgres.ts'
import type { Database } from '../../packages/server/src/store/schema.ts'
import { sqliteDialect } from '../../packages/server/src/store/sqlite.ts'
import type { NewWorkspace } from '../../packages/server/src/store/workspaces.ts'

/** Opens a store with the real clock and no log. */
export function openTestStore(url: string): Promise<Store> {
  return openStore({ url, clock: systemClock, log: createLogger('silent') })
}

/** Opens a database as a server of an earlier schema did. */
export async function openOldStore(url: string, version: number): Promise<{ db: Queryable; close(): Promise<void> }> {
  const log = createLogger('silent')
  const isSqlite = url.startsWith('sqlite:')
  const db = new Kysely<Database>({
    dialect: isSqlite ? sqliteDialect({ path: url.slice('sqlite:'.length), clock: systemClock }) : postgresDialect({ url, log }),
  })
  const transaction = <T>(fn: (tx: Tx) => Promise<T>) => db.transaction().execute(fn)
  await migrate({ dialect: isSqlite ? 'sqlite' : 'postgres', transaction }, migrations.slice(0, version))
  return { db, close: () => db.destroy() }
}

/** Makes an SQLite store in a directory of its own; both go when the test has ended. */
export async function sqliteStore(t: Pick<TestContext, 'after'>): Promise<{ store: Store; url: string; directory: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'store-'))
  const url = `sqlite:${directory}/alcove.db`
  const store = await openTestStore(url)
  t.after(async () => {
    await store.close()
    await rm(directory, { recursive: true, force: true })
  })
  return { store, url, directory }
}

/** Stores an account and returns its id. */
export async function addAccount(q: Queryable, plan = 'pro'): Promise<string> {
  const id = newId('acc')
  await accounts.insert(q, { id, name: id, plan, created_at: 1 })
  return id
}

/** A config with every default. */
export const testConfig: Config = {
  cpus: 1,
  memory_mb: 512,
  writable_size_mb: 512,
  ttl_action: 'stop',
  remove_on_exit: false,
  restart_policy: 'no',
  max_restarts: 0,
  keep_logs: true,
  static_network: false,
  network_config: { allow_internet: true, public_ingress: false },
  ssh_access: false,
  env: [{ key: 'NAME', value: 'väl' }],
  workloads: [],
  wait_for_init: false,
}

/** A workspace that is being created. */
export function newWorkspace(accountId: string, change: Partial<NewWorkspace> = {}): NewWorkspace {
  return {
    id: newId('ws'),
    account_id: accountId,
    name: 'test',
    mode: 'temporary',
    image: 'busybox',
    image_id: 'busybox',
    cpus: 1,
    memory_mb: 512,
    disk_mb: 512,
    config: testConfig,
    desired: 'running',
    status: 'creating',
    created_at: 1_700_000_000_000,
    ...change,
  }
}

/** An event of some workspace of some account. */
export function newEvent(change: Partial<NewEvent> = {}): NewEvent {
  const states = { from_status: null, to_status: 'creating' } as const
  return {
    workspace_id: newId('ws'),
    account_id: newId('acc'),
    boot_id: null,
    at: 1,
    type: 'status',
    ...states,
    actor: 'key',
    cause: 'request',
    reason: '',
    ...change,
  }
}

/** A start of some workspace of some account. */
export function newOperation(change: Partial<NewOperation> = {}): NewOperation {
  return { id: newId('op'), account_id: newId('acc'), workspace_id: newId('ws'), verb: 'start', actor: 'key', cause: 'request', ...change }
}

/** A row of the audit chain. */
export function newAudit(change: Partial<NewAudit> = {}): NewAudit {
  return { at: 1, account_id: 'acc', actor: 'key', action: 'stop', target: 'ws', outcome: 'done', code: null, request_id: null, operation_id: null, ...change }
}
