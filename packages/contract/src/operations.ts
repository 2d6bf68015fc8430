/**
 * Every operation of the HTTP API. The server binds a handler to each, `openapi.json` is generated from the list, and the
 * authorisation matrix takes its rows from it: an operation that is not here does not exist.
 */
import type { TSchema } from 'typebox'
import type { ErrorCode } from './errors.ts'
import * as ws from './workspace.ts'

/** One operation. */
export interface Operation {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Fastify-style path: parameters as `:name`. */
  readonly path: string
  readonly summary: string
  /** Who may call it: anybody, or the holder of an account's key. */
  readonly access: 'public' | 'account'
  readonly params?: TSchema
  readonly query?: TSchema
  readonly body?: TSchema
  /** Whether an empty body is as good as `{}`. */
  readonly bodyOptional?: true
  /** Whether the `Idempotency-Key` header is honoured. */
  readonly idempotent?: true
  /** Success status and schema. */
  readonly status: 200 | 201
  readonly answer: TSchema | 'text' | 'json'
  /** Codes it may answer with, besides {@link commonErrors}. */
  readonly errors: readonly ErrorCode[]
}

/** Codes every account operation may answer with. */
export const commonErrors = [
  'MISSING_USER_ID',
  'bad_request',
  'validation_error',
  'not_found',
  'rate_limited',
  'headers_too_large',
  'payload_too_large',
  'unsupported_media_type',
  'internal_error',
  'service_unavailable',
] as const satisfies ErrorCode[]

const bootErrors = [
  'RUNNING_POOL_REACHED',
  'VM_UNAVAILABLE',
  'IMAGE_UNAVAILABLE',
  'START_FAILED',
  'STOP_FAILED',
  'conflict',
  'storage_full',
] as const satisfies ErrorCode[]
const params = ws.WorkspaceParams

export const operations = {
  health: { method: 'GET', path: '/health', summary: 'Whether the server serves', access: 'public', status: 200, answer: ws.HealthAnswer, errors: [] },
  openapi: { method: 'GET', path: '/openapi.json', summary: 'This document', access: 'public', status: 200, answer: 'json', errors: [] },
  metrics: { method: 'GET', path: '/metrics', summary: 'Metrics in the Prometheus text format', access: 'public', status: 200, answer: 'text', errors: [] },
  createWorkspace: {
    method: 'POST',
    path: '/workspace',
    summary: 'Create a workspace',
    access: 'account',
    body: ws.CreateBody,
    idempotent: true,
    status: 201,
    answer: ws.WorkspaceAnswer,
    errors: [
      'INVALID_NAMESPACE',
      'INVALID_NAME_LENGTH',
      'INVALID_IMAGE',
      'INVALID_CONFIG',
      'SANDBOX_LIMIT_REACHED',
      'RESOURCE_NOT_ALLOWED',
      'POOL_LIMIT_REACHED',
      'RUNNING_POOL_REACHED',
      'VM_UNAVAILABLE',
      'IMAGE_UNAVAILABLE',
      'CREATE_FAILED',
      'conflict',
      'idempotency_mismatch',
      'storage_full',
    ],
  },
  listWorkspaces: {
    method: 'GET',
    path: '/workspace',
    summary: 'List workspaces, newest first',
    access: 'account',
    query: ws.ListQuery,
    status: 200,
    answer: ws.ListAnswer,
    errors: [],
  },
  getQuota: {
    method: 'GET',
    path: '/workspace/quota',
    summary: 'Plan, limits and usage of the account',
    access: 'account',
    status: 200,
    answer: ws.QuotaAnswer,
    errors: [],
  },
  listImages: {
    method: 'GET',
    path: '/workspace/images',
    summary: 'Images of the catalogue',
    access: 'account',
    query: ws.ImagesQuery,
    status: 200,
    answer: ws.ImagesAnswer,
    errors: [],
  },
  getWorkspace: {
    method: 'GET',
    path: '/workspace/:workspaceId',
    summary: 'Get a workspace',
    access: 'account',
    params,
    status: 200,
    answer: ws.WorkspaceAnswer,
    errors: [],
  },
  getWorkspaceDetails: {
    method: 'GET',
    path: '/workspace/:workspaceId/details',
    summary: 'Get a workspace with stats, token, lifecycle and config',
    access: 'account',
    params,
    status: 200,
    answer: ws.DetailsAnswer,
    errors: ['VM_UNAVAILABLE'],
  },
  updateWorkspace: {
    method: 'PUT',
    path: '/workspace/:workspaceId',
    summary: 'Change name or config',
    access: 'account',
    params,
    body: ws.UpdateBody,
    status: 200,
    answer: ws.UpdateAnswer,
    errors: [
      'INVALID_NAME_LENGTH',
      'INVALID_CONFIG',
      'RESOURCE_NOT_ALLOWED',
      'POOL_LIMIT_REACHED',
      'RUNNING_POOL_REACHED',
      'VM_UNAVAILABLE',
      'conflict',
      'storage_full',
    ],
  },
  deleteWorkspace: {
    method: 'DELETE',
    path: '/workspace/:workspaceId',
    summary: 'Delete a workspace and all its data',
    access: 'account',
    params,
    status: 200,
    answer: ws.DeleteAnswer,
    errors: ['STOP_FAILED', 'storage_full'],
  },
  startWorkspace: {
    method: 'POST',
    path: '/workspace/:workspaceId/start',
    summary: 'Start the VM',
    access: 'account',
    params,
    body: ws.StartBody,
    bodyOptional: true,
    status: 200,
    answer: ws.WorkspaceAnswer,
    errors: bootErrors,
  },
  stopWorkspace: {
    method: 'POST',
    path: '/workspace/:workspaceId/stop',
    summary: 'Stop the VM, keep the disk',
    access: 'account',
    params,
    status: 200,
    answer: ws.WorkspaceAnswer,
    errors: ['conflict', 'STOP_FAILED', 'storage_full'],
  },
  restartWorkspace: {
    method: 'POST',
    path: '/workspace/:workspaceId/restart',
    summary: 'Stop and start the VM',
    access: 'account',
    params,
    status: 200,
    answer: ws.WorkspaceAnswer,
    errors: bootErrors,
  },
  getWorkspaceLogs: {
    method: 'GET',
    path: '/workspace/:workspaceId/logs',
    summary: 'Last lines of a log',
    access: 'account',
    params,
    query: ws.LogsQuery,
    status: 200,
    answer: ws.LogsAnswer,
    errors: [],
  },
  getWorkspaceStats: {
    method: 'GET',
    path: '/workspace/:workspaceId/stats',
    summary: 'Live usage of the VM',
    access: 'account',
    params,
    status: 200,
    answer: ws.StatsAnswer,
    errors: ['vm_not_running'],
  },
} as const satisfies Record<string, Operation>

/** Name of an operation. */
export type OperationName = keyof typeof operations
