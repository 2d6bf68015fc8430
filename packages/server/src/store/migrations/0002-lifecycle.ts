/** Pause and resume, timers, durable operations, stored answers, the audit chain. */
import { sql } from 'kysely'
import type { Migration } from '../migrate.ts'

const spelling = {
  sqlite: { int: 'integer', small: 'integer', end: ' strict' },
  postgres: { int: 'bigint', small: 'integer', end: '' },
} as const

type Spelling = (typeof spelling)[keyof typeof spelling]

const statuses = `'creating', 'starting', 'running', 'pausing', 'paused', 'resuming', 'stopping', 'stopped', 'failed', 'deleting'`
const desired = `'running', 'paused', 'stopped', 'deleted'`

const oldColumns = `id, account_id, name, namespace, mode, type, image, image_id, image_digest, cpus, memory_mb, disk_mb, config, booted_config, desired,
  status, boot_id, version, failure, provisioning, user_requested_stop, started_at, deadline_at, timings, created_at, updated_at`

const newColumns = ({ int, small }: Spelling) => [
  `generation ${int} not null default 0 check (generation >= 0)`,
  'operation_id text',
  `expires_at ${int}`,
  `restart_at ${int}`,
  `restart_count ${small} not null default 0 check (restart_count >= 0)`,
  'last_exit text',
  `metadata text not null default '{}'`,
]

/** SQLite cannot change a check: the table is made anew, and with it its indexes and triggers. */
const rebuildWorkspaces = [
  `create table workspaces_new (
    id text not null primary key, account_id text not null references accounts (id), name text not null, namespace text,
    mode text not null check (mode in ('permanent', 'temporary')), type text,
    image text not null, image_id text not null, image_digest text,
    cpus integer not null check (cpus > 0), memory_mb integer not null check (memory_mb > 0), disk_mb integer not null check (disk_mb > 0),
    config text not null, booted_config text,
    desired text not null check (desired in (${desired})), status text not null check (status in (${statuses})),
    boot_id text, version integer not null check (version > 0), failure text, provisioning text,
    user_requested_stop integer not null default 0 check (user_requested_stop in (0, 1)),
    started_at integer, deadline_at integer, timings text, created_at integer not null, updated_at integer not null,
    ${newColumns(spelling.sqlite).join(', ')}) strict`,
  `insert into workspaces_new (${oldColumns}) select ${oldColumns} from workspaces`,
  'drop table workspaces',
  'alter table workspaces_new rename to workspaces',
  'create index workspaces_list on workspaces (account_id, created_at, id, mode, status, namespace)',
  'create index workspaces_usage on workspaces (account_id, status, cpus, memory_mb, disk_mb, id)',
  'create index workspaces_status on workspaces (status)',
  `create trigger workspaces_added after insert on workspaces begin
    insert into workspace_totals (account_id, total) values (new.account_id, 1) on conflict (account_id) do update set total = total + 1; end`,
  `create trigger workspaces_removed after delete on workspaces begin
    update workspace_totals set total = total - 1 where account_id = old.account_id; end`,
]

const alterWorkspaces = [
  'alter table workspaces drop constraint workspaces_desired_check',
  'alter table workspaces drop constraint workspaces_status_check',
  `alter table workspaces add constraint workspaces_desired_check check (desired in (${desired}))`,
  `alter table workspaces add constraint workspaces_status_check check (status in (${statuses}))`,
  ...newColumns(spelling.postgres).map((column) => `alter table workspaces add column ${column}`),
]

const tables = ({ int, small, end }: Spelling) => [
  // Whatever had a boot counts as one.
  'update workspaces set generation = 1 where boot_id is not null',
  'create index workspaces_expires on workspaces (expires_at) where expires_at is not null',
  'create index workspaces_restart on workspaces (restart_at) where restart_at is not null',

  `alter table events add column cause text not null default 'request'`,
  'alter table events add column operation_id text',
  'alter table events add column data text',
  'create index events_account on events (account_id, seq)',

  `create table operations (
    id text not null primary key, account_id text not null, workspace_id text not null, verb text not null,
    status text not null check (status in ('running', 'succeeded', 'failed', 'cancelled')),
    actor text not null, cause text not null, steps text not null, error text, created_at ${int} not null, ended_at ${int},
    check ((status = 'running') = (ended_at is null)))${end}`,
  'create index operations_workspace on operations (workspace_id, created_at, id)',
  `create index operations_running on operations (workspace_id) where status = 'running'`,
  'create index operations_ended on operations (ended_at)',

  // Keys that only made workspaces, without answers: they lived for a day.
  'drop table idempotency',
  `create table idempotency (
    account_id text not null, operation text not null, key text not null, request_hash text not null, operation_id text not null unique,
    answer_status ${small}, answer text, created_at ${int} not null, expires_at ${int} not null, primary key (account_id, operation, key))${end}`,
  'create index idempotency_expires on idempotency (expires_at)',

  `create table audit (
    seq ${int} not null primary key, at ${int} not null, account_id text, actor text not null, action text not null, target text,
    outcome text not null check (outcome in ('done', 'denied')), code text, request_id text, operation_id text,
    prev_hash text not null check (length(prev_hash) = 64), hash text not null check (length(hash) = 64))${end}`,
  'create index audit_operation on audit (operation_id)',
]

/** Events may be forgotten up to the time that `meta.events_keep_from` names, but never that a workspace was deleted; audit rows never change. */
const guards = {
  sqlite: [
    'drop trigger events_no_delete',
    `create trigger events_no_delete before delete on events
      when old.type = 'deleted' or old.at >= coalesce((select cast(value as integer) from meta where key = 'events_keep_from'), 0)
      begin select raise(abort, 'events is append-only'); end`,
    ...['update', 'delete'].map((verb) => `create trigger audit_no_${verb} before ${verb} on audit begin select raise(abort, 'audit is append-only'); end`),
  ],
  postgres: [
    'drop trigger events_append_only on events',
    `create or replace function events_append_only() returns trigger language plpgsql as $$ begin
      if tg_op = 'DELETE' then
        if old.type <> 'deleted' and old.at < coalesce((select value::bigint from meta where key = 'events_keep_from'), 0) then return old; end if;
      end if;
      raise exception 'events is append-only'; end $$`,
    'create trigger events_append_only before update or delete on events for each row execute function events_append_only()',
    `create function append_only() returns trigger language plpgsql as $$ begin raise exception '% is append-only', tg_table_name; end $$`,
    'create trigger events_no_truncate before truncate on events for each statement execute function append_only()',
    'create trigger audit_append_only before update or delete or truncate on audit for each statement execute function append_only()',
  ],
} as const

/** Makes what the life of a workspace needs. */
export const lifecycle: Migration = {
  version: 2,
  name: 'lifecycle',
  async up(tx, dialect) {
    const statements = [...(dialect === 'sqlite' ? rebuildWorkspaces : alterWorkspaces), ...tables(spelling[dialect]), ...guards[dialect]]
    for (const statement of statements) await sql.raw(statement).execute(tx)
  },
}
