/** Operations that read what was done and what happened. */
import * as history from './history.ts'
import type { Operation } from './operation.ts'
import { WorkspaceParams } from './workspace.ts'

const params = WorkspaceParams

export const historyOperations = {
  getOperation: {
    method: 'GET',
    path: '/operations/:operationId',
    summary: 'Get an operation',
    access: 'account',
    params: history.OperationParams,
    status: 200,
    answer: history.OperationAnswer,
    errors: [],
  },
  listOperations: {
    method: 'GET',
    path: '/workspace/:workspaceId/operations',
    summary: 'Operations of a workspace, newest first; also of a deleted one',
    access: 'account',
    params,
    query: history.OperationsQuery,
    status: 200,
    answer: history.OperationsAnswer,
    errors: [],
  },
  listEvents: {
    method: 'GET',
    path: '/workspace/:workspaceId/events',
    summary: 'Events of a workspace, oldest first; also of a deleted one',
    access: 'account',
    params,
    query: history.EventsQuery,
    status: 200,
    answer: history.EventsAnswer,
    errors: [],
  },
  streamEvents: {
    method: 'GET',
    path: '/events',
    summary: 'Events of the account as they happen; Last-Event-ID takes up where a stream broke off',
    access: 'account',
    query: history.EventStreamQuery,
    status: 200,
    answer: 'events',
    errors: [],
  },
} as const satisfies Record<string, Operation>
