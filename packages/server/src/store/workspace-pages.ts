/** Pages of an account's workspaces: newest first, stable while nothing is added or removed. */
import type { WorkspaceStatus } from '@alcove/contract'
import { prepare } from './prepared.ts'
import type { Queryable } from './schema.ts'
import { decodeLocated, type LocatedWorkspace, type StoredWorkspace, slotColumn, type WorkspaceRow } from './workspace-row.ts'

/** Which page of which workspaces. */
export interface PageQuery {
  readonly accountId: string
  /** From 1. */
  readonly page: number
  /** Workspaces on a page. */
  readonly limit: number
  readonly mode?: WorkspaceRow['mode'] | undefined
  readonly status?: WorkspaceStatus | undefined
  readonly namespace?: string | undefined
}

/** Some workspaces and how many there are on all pages. */
export interface WorkspacePage {
  readonly rows: LocatedWorkspace[]
  readonly total: number
}

/** Returns a page; one past the end is empty. */
export async function listPage(q: Queryable, query: PageQuery): Promise<WorkspacePage> {
  const columns = (['mode', 'status', 'namespace'] as const).filter((column) => query[column] !== undefined)
  const where = ['account_id', ...columns].map((column) => `${column} = ?`).join(' and ')
  const parameters = [query.accountId, ...columns.map((column) => query[column] as string)]
  const total = columns.length === 0 ? await countAll(q, query.accountId) : await count(q, where, parameters)
  const offset = (query.page - 1) * query.limit
  if (offset >= total) return { rows: [], total }
  const select = prepare<StoredWorkspace & { slot: number | null }>(
    `select *, ${slotColumn} from workspaces where ${where} order by created_at desc, id desc limit ? offset ?`,
  )
  const rows = await select(q, [...parameters, query.limit, offset])
  return { rows: rows.map(decodeLocated), total }
}

const selectTotal = prepare<{ total: number }>('select total from workspace_totals where account_id = ?')

async function countAll(q: Queryable, accountId: string): Promise<number> {
  const [row] = await selectTotal(q, [accountId])
  return row?.total ?? 0
}

async function count(q: Queryable, where: string, parameters: readonly string[]): Promise<number> {
  const [row] = await prepare<{ total: number }>(`select count(*) as total from workspaces where ${where}`)(q, parameters)
  return row?.total ?? 0
}
