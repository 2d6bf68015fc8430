/** How a workspace is spelled in the database and what it is in memory: JSON parsed, booleans real. */
import type { Config, Provisioning } from '@alcove/contract'
import type { Selectable, Updateable } from 'kysely'
import type { StoredExit, WorkspaceTable } from './schema.ts'

/** Why a start or a VM ended badly. */
export interface Failure {
  readonly code: string
  readonly message: string
  /** ms since the epoch */
  readonly at: number
}

interface Decoded {
  config: Config
  booted_config: Config | null
  failure: Failure | null
  provisioning: Provisioning | null
  user_requested_stop: boolean
  last_exit: StoredExit | null
  metadata: Record<string, string>
  timings: Record<string, number> | null
}

/** A row as the database returns it. */
export type StoredWorkspace = Selectable<WorkspaceTable>

/** A workspace as the rest of the server sees it; columns keep their names. */
export type WorkspaceRow = Omit<StoredWorkspace, keyof Decoded> & Decoded

/** A workspace with the slot it holds, which is where its address comes from. */
export type LocatedWorkspace = WorkspaceRow & { readonly slot: number | null }

/** Column of {@link LocatedWorkspace} for a `select` from `workspaces`. */
export const slotColumn = '(select slot from slots where slots.workspace_id = workspaces.id) as slot'

type Optional =
  | 'namespace'
  | 'type'
  | 'image_digest'
  | 'booted_config'
  | 'boot_id'
  | 'failure'
  | 'provisioning'
  | 'user_requested_stop'
  | 'started_at'
  | 'deadline_at'
  | 'generation'
  | 'operation_id'
  | 'expires_at'
  | 'restart_at'
  | 'restart_count'
  | 'last_exit'
  | 'metadata'
  | 'timings'

/** A workspace to be stored; what may be absent is `null` (`false`, 0 and `{}` where that is no value), `updated_at` is `created_at`, `version` is 1. */
export type NewWorkspace = Omit<WorkspaceRow, Optional | 'version' | 'updated_at'> & Partial<Pick<WorkspaceRow, Optional>>

/** Columns an update may set; `version` and `updated_at` follow by themselves. */
export type WorkspacePatch = Partial<Omit<WorkspaceRow, 'id' | 'account_id' | 'created_at' | 'version' | 'updated_at'>>

const jsonColumns = ['config', 'booted_config', 'failure', 'provisioning', 'last_exit', 'metadata', 'timings'] as const

/** Turns a stored row into a workspace. Changes and returns the object it was given. */
export function decodeWorkspace(stored: StoredWorkspace): WorkspaceRow {
  const row = stored as object as Record<string, unknown>
  for (const column of jsonColumns) {
    const text = row[column]
    if (typeof text === 'string') row[column] = JSON.parse(text)
  }
  row.user_requested_stop = stored.user_requested_stop !== 0
  return row as object as WorkspaceRow
}

/** Turns a stored row with its slot into a workspace. Changes and returns the object it was given. */
export function decodeLocated(stored: StoredWorkspace & { slot: number | null }): LocatedWorkspace {
  return decodeWorkspace(stored) as LocatedWorkspace
}

/** Turns the columns of a patch into what is stored; absent ones stay absent. */
export function encodePatch(patch: WorkspacePatch): Updateable<WorkspaceTable> {
  const stored: Record<string, unknown> = { ...patch }
  for (const column of jsonColumns) {
    if (stored[column] !== undefined && stored[column] !== null) stored[column] = JSON.stringify(stored[column])
  }
  if (patch.user_requested_stop !== undefined) stored.user_requested_stop = patch.user_requested_stop ? 1 : 0
  return stored as Updateable<WorkspaceTable>
}

/** Turns a new workspace into a whole row. */
export function encodeNew(workspace: NewWorkspace): StoredWorkspace {
  const absent = {
    namespace: null,
    type: null,
    image_digest: null,
    booted_config: null,
    boot_id: null,
    failure: null,
    provisioning: null,
    user_requested_stop: false,
    started_at: null,
    deadline_at: null,
    generation: 0,
    operation_id: null,
    expires_at: null,
    restart_at: null,
    restart_count: 0,
    last_exit: null,
    metadata: {},
    timings: null,
  }
  const { id, account_id, created_at, ...rest } = workspace
  return { id, account_id, created_at, version: 1, updated_at: created_at, ...encodePatch({ ...absent, ...rest }) } as StoredWorkspace
}
