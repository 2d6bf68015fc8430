/** Rows as they are stored: text ids, times as ms since the epoch, JSON in text. The same on SQLite and PostgreSQL. */
import type { Cause, Config, DesiredState, LastExit, OperationVerb, Provisioning, WorkspaceStatus } from '@alcove/contract'
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
  /** Boots so far; grows by one with every new `boot_id`. */
  generation: number
  /** Operation under way, if any. */
  operation_id: string | null
  /** Grows by one with every change of the row. */
  version: number
  /** Why the last start or VM ended badly: `{code, message, at}`. */
  failure: Json<{ code: string; message: string; at: number }> | null
  provisioning: Json<Provisioning> | null
  user_requested_stop: ColumnType<number, number, number>
  started_at: Time | null
  /** Time by which a moving status must have ended. */
  deadline_at: Time | null
  /** When the time to live is over. */
  expires_at: Time | null
  /** When the restart policy starts the VM again. */
  restart_at: Time | null
  /** Restarts by the policy since the VM was last stable, or started at somebody's request. */
  restart_count: number
  /** How the last VM ended. */
  last_exit: Json<StoredExit> | null
  metadata: Json<Record<string, string>>
  timings: Json<Record<string, number>> | null
  created_at: Time
  updated_at: Time
}

/** How a VM ended, as it is kept. */
export interface StoredExit {
  readonly cause: LastExit['cause']
  readonly exitCode: number | null
  readonly signal: string | null
  /** A key id, or `system`; `null` when nobody asked for it. */
  readonly requestedBy: string | null
  readonly message: string
  readonly at: number
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
  /** Who did it: a key id, or `system`. */
  actor: string
  /** Why it was done. */
  cause: Cause
  /** Why, for people. */
  reason: string
  operation_id: string | null
  /** Facts for programs. */
  data: Json<Record<string, unknown>> | null
}

export interface OperationTable {
  id: string
  account_id: string
  workspace_id: string
  verb: OperationVerb
  status: 'running' | 'succeeded' | 'failed' | 'cancelled'
  actor: string
  cause: Cause
  /** States and parts of a boot, with the time each began, ms since the epoch. */
  steps: Json<readonly OperationStep[]>
  error: Json<{ code: string; message: string }> | null
  created_at: Time
  ended_at: Time | null
}

/** A part of an operation. */
export interface OperationStep {
  readonly name: string
  readonly at: number
}

export interface AuditTable {
  /** Grows by one; there are no gaps. */
  seq: number
  at: Time
  account_id: string | null
  /** A key id, `system`, `operator`, or `anonymous`. */
  actor: string
  /** Verb of an operation, name of an API operation that was denied, or command of an operator. */
  action: string
  /** What it was done to: an id, where there is one. */
  target: string | null
  outcome: 'done' | 'denied'
  /** Error code of a denial. */
  code: string | null
  request_id: string | null
  operation_id: string | null
  prev_hash: string
  /** SHA-256, hex, over the other columns. */
  hash: string
}

export interface IdempotencyTable {
  account_id: string
  /** API operation the key was sent to. */
  operation: string
  key: string
  request_hash: string
  /** Id of the operation that the request is, or was to be. */
  operation_id: string
  /** Status and body of the answer, once there is one. */
  answer_status: number | null
  answer: string | null
  created_at: Time
  /** When it may be forgotten. */
  expires_at: Time
}

export interface Database {
  meta: MetaTable
  accounts: AccountTable
  api_keys: ApiKeyTable
  workspaces: WorkspaceTable
  workspace_totals: WorkspaceTotalTable
  slots: SlotTable
  events: EventTable
  operations: OperationTable
  audit: AuditTable
  idempotency: IdempotencyTable
}

/** What a table function runs on: the store's `db` (each statement by itself) or a transaction. */
export type Queryable = Kysely<Database>

/** An open transaction; functions that only make sense inside one ask for it. */
export type Tx = Transaction<Database>
