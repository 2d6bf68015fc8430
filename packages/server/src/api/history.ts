/** Handlers of the operations that read what was done and what happened. */
import { EventStreamQuery, EventsQuery, type historyOperations, OperationsQuery } from '@alcove/contract'
import { fail } from '../lib/fail.ts'
import type { EventFeed } from '../workspace/event-feed.ts'
import type { History } from '../workspace/history.ts'
import type { Handlers } from './handlers.ts'

/** Makes the handlers. */
export function createHistoryHandlers(history: History, feed: EventFeed): Handlers<keyof typeof historyOperations> {
  return {
    async getOperation({ principal, operationId }) {
      return { success: true, operation: await history.operation(principal.accountId, operationId()) }
    },
    async listOperations({ principal, workspaceId, query }) {
      return { success: true, ...(await history.operations(principal.accountId, workspaceId(), query(OperationsQuery))) }
    },
    async listEvents({ principal, workspaceId, query }) {
      return { success: true, ...(await history.events(principal.accountId, workspaceId(), query(EventsQuery))) }
    },
    async streamEvents({ principal, query, header }) {
      const after = parseEventId(header('last-event-id') ?? query(EventStreamQuery).after)
      return feed.open(principal.accountId, after)
    },
  }
}

function parseEventId(id: string | undefined): number | undefined {
  if (id === undefined || id === '') return undefined
  if (/^[0-9]{1,15}$/.test(id)) return Number(id)
  return fail('validation_error', { message: 'Last-Event-ID must be the id of an event.', details: { field: 'Last-Event-ID', allowed: 'digits' } })
}
