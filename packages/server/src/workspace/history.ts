/** Operations and events as the API shows them; those of a deleted workspace, too. */
import { type EventsQuery, type EventView, limits, type OperationsQuery, type OperationView } from '@alcove/contract'
import { fail } from '../lib/fail.ts'
import * as events from '../store/events.ts'
import type { Store } from '../store/open.ts'
import * as operations from '../store/operations.ts'
import * as workspaces from '../store/workspaces.ts'
import { noSuchWorkspace } from './workspaces.ts'

/** Entries of a page that does not say how many. */
const pageSize = 50

/** Reads what was done and what happened. */
export interface History {
  /** @throws not_found */
  operation(accountId: string, id: string): Promise<OperationView>
  /** Newest first. @throws not_found validation_error */
  operations(accountId: string, workspaceId: string, query: OperationsQuery): Promise<{ operations: OperationView[]; next: string | null }>
  /** Oldest first. @throws not_found validation_error */
  events(accountId: string, workspaceId: string, query: EventsQuery): Promise<{ events: EventView[]; next: string | null }>
  /** Events of the account that follow `after`, oldest first. */
  eventsAfter(accountId: string, after: number): Promise<{ events: EventView[]; last: number }>
  /** Number of the last event there is. */
  lastEvent(): Promise<number>
}

/** Makes the reader. */
export function createHistory({ store }: { readonly store: Pick<Store, 'db'> }): History {
  const { db } = store

  /** Whoever has never had a workspace of the id is told that there is none. A deleted one is known by its events, one that is there also without. */
  async function assertKnown(accountId: string, workspaceId: string): Promise<void> {
    const [first] = await events.listAfter(db, { accountId, workspaceId, after: 0, limit: 1 })
    if (!first && !(await workspaces.find(db, accountId, workspaceId))) fail('not_found', { message: noSuchWorkspace })
  }

  return {
    async operation(accountId, id) {
      const row = await operations.find(db, id)
      return row?.account_id === accountId ? presentOperation(row) : fail('not_found', { message: 'There is no such operation in this account.' })
    },
    async operations(accountId, workspaceId, query) {
      await assertKnown(accountId, workspaceId)
      const after = query.after === undefined ? undefined : await operations.find(db, query.after)
      if (query.after !== undefined && (after?.account_id !== accountId || after.workspace_id !== workspaceId)) refuseCursor('an operation of the workspace')
      const limit = sizeOf(query)
      const rows = await operations.listByWorkspace(db, { accountId, workspaceId, after, limit: limit + 1 })
      const page = rows.slice(0, limit)
      return { operations: page.map(presentOperation), next: rows.length > limit ? (page.at(-1)?.id ?? null) : null }
    },
    async events(accountId, workspaceId, query) {
      await assertKnown(accountId, workspaceId)
      if (query.after !== undefined && !/^[0-9]{1,16}$/.test(query.after)) refuseCursor('the id of an event')
      const limit = sizeOf(query)
      const rows = await events.listAfter(db, { accountId, workspaceId, after: Number(query.after ?? 0), limit: limit + 1 })
      const page = rows.slice(0, limit)
      return { events: page.map(presentEvent), next: rows.length > limit ? String(page.at(-1)?.seq) : null }
    },
    async eventsAfter(accountId, after) {
      const rows = await events.listAfter(db, { accountId, after, limit: limits.pageSize.max })
      return { events: rows.map(presentEvent), last: rows.at(-1)?.seq ?? after }
    },
    lastEvent: () => events.lastSeq(db),
  }
}

function sizeOf({ limit }: { readonly limit?: number | undefined }): number {
  return Math.min(limit ?? pageSize, limits.pageSize.max)
}

function refuseCursor(allowed: string): never {
  fail('validation_error', { message: `after must be ${allowed}, as the last page gave it.`, details: { field: 'after', allowed } })
}

function presentOperation(row: operations.OperationRow): OperationView {
  const { id, workspace_id, verb, status, actor, cause, steps, error } = row
  return {
    id,
    workspace_id,
    verb,
    status,
    actor,
    cause,
    steps: steps.map(({ name, at }) => ({ name, at: iso(at) })),
    error,
    created_at: iso(row.created_at),
    ended_at: row.ended_at === null ? null : iso(row.ended_at),
  }
}

function presentEvent(row: events.EventRow): EventView {
  const { workspace_id, type, boot_id, actor, cause, reason, operation_id, data } = row
  return {
    id: String(row.seq),
    workspace_id,
    at: iso(row.at),
    type,
    from: row.from_status as EventView['from'],
    to: row.to_status as EventView['to'],
    boot_id,
    actor,
    cause,
    reason,
    operation_id,
    data,
  }
}

const iso = (at: number) => new Date(at).toISOString()
