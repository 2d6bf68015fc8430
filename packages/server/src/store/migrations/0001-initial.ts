/** The first schema: accounts, keys, workspaces, slots, events, idempotency keys. */
import { sql } from 'kysely'
import type { Migration } from '../migrate.ts'

/** The states of that version. */
const statuses = `'creating', 'starting', 'running', 'stopping', 'stopped', 'failed', 'deleting'`

/** Spells the tables; `int` holds ms since the epoch, `small` what is summed. */
function tables({ int, small, serial, end }: { int: string; small: string; serial: string; end: string }): string[] {
  return [
    `create table meta (key text not null primary key, value text not null)${end}`,

    `create table accounts (id text not null primary key, name text not null unique, plan text not null, created_at ${int} not null)${end}`,

    `create table api_keys (
      id text not null primary key, account_id text not null references accounts (id), secret_hash text not null check (length(secret_hash) = 64),
      created_at ${int} not null, revoked_at ${int})${end}`,
    'create index api_keys_account on api_keys (account_id)',

    `create table workspaces (
      id text not null primary key, account_id text not null references accounts (id), name text not null, namespace text,
      mode text not null check (mode in ('permanent', 'temporary')), type text,
      image text not null, image_id text not null, image_digest text,
      cpus ${small} not null check (cpus > 0), memory_mb ${small} not null check (memory_mb > 0), disk_mb ${small} not null check (disk_mb > 0),
      config text not null, booted_config text,
      desired text not null check (desired in ('running', 'stopped', 'deleted')),
      status text not null check (status in (${statuses})),
      boot_id text, version ${int} not null check (version > 0), failure text, provisioning text,
      user_requested_stop ${small} not null default 0 check (user_requested_stop in (0, 1)),
      started_at ${int}, deadline_at ${int}, timings text, created_at ${int} not null, updated_at ${int} not null)${end}`,
    // Covers the order, the filters and the count of the list: only the rows of the page itself are read.
    'create index workspaces_list on workspaces (account_id, created_at, id, mode, status, namespace)',
    // Covers the sums of the ledger.
    'create index workspaces_usage on workspaces (account_id, status, cpus, memory_mb, disk_mb, id)',
    'create index workspaces_status on workspaces (status)',

    // Kept by triggers, so that the list need not count an account's rows each time.
    `create table workspace_totals (account_id text not null primary key, total ${int} not null check (total >= 0))${end}`,

    `create table slots (
      slot ${small} not null primary key check (slot between 1 and 65535), workspace_id text unique, released_at ${int},
      check ((workspace_id is null) = (released_at is not null)))${end}`,
    'create index slots_released on slots (released_at)',

    `create table events (
      seq ${serial}, workspace_id text not null, account_id text not null, boot_id text, at ${int} not null, type text not null,
      from_status text, to_status text, actor text not null, reason text not null)${end}`,
    'create index events_workspace on events (workspace_id, seq)',

    `create table idempotency (
      account_id text not null, operation text not null, key text not null, request_hash text not null,
      workspace_id text not null, created_at ${int} not null, primary key (account_id, operation, key))${end}`,
    'create index idempotency_created on idempotency (created_at)',
    'create index idempotency_workspace on idempotency (workspace_id)',
  ]
}

/** Keeps `events` append-only, whoever writes. */
const appendOnly = {
  sqlite: ['update', 'delete'].map(
    (verb) => `create trigger events_no_${verb} before ${verb} on events begin select raise(abort, 'events is append-only'); end`,
  ),
  postgres: [
    `create function events_append_only() returns trigger language plpgsql as $$ begin raise exception 'events is append-only'; end $$`,
    'create trigger events_append_only before update or delete or truncate on events for each statement execute function events_append_only()',
  ],
} as const

/** Keeps `workspace_totals` in the transaction that adds or removes a workspace. */
const totals = {
  sqlite: [
    `create trigger workspaces_added after insert on workspaces begin
      insert into workspace_totals (account_id, total) values (new.account_id, 1) on conflict (account_id) do update set total = total + 1; end`,
    `create trigger workspaces_removed after delete on workspaces begin
      update workspace_totals set total = total - 1 where account_id = old.account_id; end`,
  ],
  postgres: [
    `create function workspaces_count() returns trigger language plpgsql as $$ begin
      if tg_op = 'INSERT' then
        insert into workspace_totals as t (account_id, total) values (new.account_id, 1) on conflict (account_id) do update set total = t.total + 1;
      else
        update workspace_totals set total = total - 1 where account_id = old.account_id;
      end if;
      return null; end $$`,
    'create trigger workspaces_count after insert or delete on workspaces for each row execute function workspaces_count()',
  ],
} as const

const spelling = {
  sqlite: { int: 'integer', small: 'integer', serial: 'integer primary key autoincrement', end: ' strict' },
  postgres: { int: 'bigint', small: 'integer', serial: 'bigint generated always as identity primary key', end: '' },
} as const

/** Makes the first schema. */
export const initial: Migration = {
  version: 1,
  name: 'initial',
  async up(tx, dialect) {
    for (const statement of [...tables(spelling[dialect]), ...appendOnly[dialect], ...totals[dialect]]) await sql.raw(statement).execute(tx)
  },
}
