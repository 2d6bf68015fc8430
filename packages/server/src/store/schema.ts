/** Rows as they are stored: text ids, times as ms since the epoch, JSON in text. The same on SQLite and PostgreSQL. */
import type { Config, DesiredState, Provisioning, WorkspaceStatus } from '@alcove/contract'
import type { ColumnType, Kysely, Transaction } from 'kysely'

/** JSON in a text column; parsed and printed by the table's own file. */
type Json<_T> = string
/** Milliseconds since the epoch. PostgreSQL returns bigint as text unless told otherwise; `open` tells it. */
type Time = number

export interface MetaTable {
  key: string
  value: string
}

export interface AccountTable {
  id: string
  name: string
  plan: string
  created_at: Time
}

export interface ApiKeyTable {
  /** The client id. */
  id: string
  account_id: string
  /** SHA-256 of the secret, hex. */
  secret_hash: string
  created_at: Time
  revoked_at: Time | null
}

export interface WorkspaceTable {
  id: string
  account_id: string
  name: string
  namespace: string | null
  mode: 'permanent' | 'temporary'
  type: string | null
  /** Image as it was asked for, its catalogue id, and the digest it was pinned to (`null` until the image is there). */
  image: string
  image_id: string
  image_digest: string | null
  /** Promised resources; what the ledger sums. */
  cpus: number
  memory_mb: number
  disk_mb: number
  /** Resources the running VM really has; they differ from the promised ones until the next start. */
  config: Json<Config>
  /** Config of the current boot, to tell whether a change waits for the next start. */
  booted_config: Json<Config> | null
  desired: DesiredState
  status: WorkspaceStatus
  /** Boot the row speaks of; an event that names another one is dropped. */
  boot_id: string | null
  /** Grows by one with every change of the row. */
  version: number
  /** Why the last start or VM ended badly: `{code, message, at}`. */
  failure: Json<{ code: string; message: string; at: number }> | null
  provisioning: Json<Provisioning> | null
  user_requested_stop: ColumnType<number, number, number>
  started_at: Time | null
  /** Time by which a moving status must have ended. */
  deadline_at: Time | null
  timings: Json<Record<string, number>> | null
  created_at: Time
  updated_at: Time
}

export interface WorkspaceTotalTable {
  account_id: string
  /** Rows in `workspaces`; kept by triggers, never written from here. */
  total: ColumnType<number, never, never>
}

export interface SlotTable {
  /** 1 to 65535; address, MAC, tap and uid derive from it. */
  slot: number
  /** Holder; `null` while the slot rests. */
  workspace_id: string | null
  released_at: Time | null
}

export interface EventTable {
  /** Grows for ever. */
  seq: ColumnType<number, never, never>
  workspace_id: string
  account_id: string
  boot_id: string | null
  at: Time
  /** What happened, such as `status` or `updated`. */
  type: string
  from_status: string | null
  to_status: string | null
  /** Who or what caused it: a key id, or `system`. */
  actor: string
  /** Why, for people. */
  reason: string
}

export interface IdempotencyTable {
  account_id: string
  /** Operation and key. */
  operation: string
  key: string
  request_hash: string
  workspace_id: string
  created_at: Time
}

export interface Database {
  meta: MetaTable
  accounts: AccountTable
  api_keys: ApiKeyTable
  workspaces: WorkspaceTable
  workspace_totals: WorkspaceTotalTable
  slots: SlotTable
  events: EventTable
  idempotency: IdempotencyTable
}

/** What a table function runs on: the store's `db` (each statement by itself) or a transaction. */
export type Queryable = Kysely<Database>

/** An open transaction; functions that only make sense inside one ask for it. */
export type Tx = Transaction<Database>
