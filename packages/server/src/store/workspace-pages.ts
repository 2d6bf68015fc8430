/** Pages of an account's workspaces: newest first, stable while nothing is added or removed. */
import type { WorkspaceStatus } from '@alcove/contract'
import { prepare } from './prepared.ts'
import type { Queryable } from './schema.ts'
import { slotColumn, type WorkspaceRow } from './workspace-row.ts'

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

/** Which workspace, in which version, at which address: all that is needed to tell whether what is known of it is still true. */
export interface WorkspaceHead {
  readonly id: string
  readonly version: number
  readonly slot: number | null
}

/** Some workspaces and how many there are on all pages. */
export interface WorkspacePage {
  readonly heads: WorkspaceHead[]
  readonly total: number
}

/** Returns a page; one past the end is empty. */
export async function listPage(q: Queryable, query: PageQuery): Promise<WorkspacePage> {
  const columns = (['mode', 'status', 'namespace'] as const).filter((column) => query[column] !== undefined)
  const where = ['account_id', ...columns].map((column) => `${column} = ?`).join(' and ')
  const parameters = [query.accountId, ...columns.map((column) => query[column] as string)]
  const total = columns.length === 0 ? await countAll(q, query.accountId) : await count(q, where, parameters)
  const offset = (query.page - 1) * query.limit
  if (offset >= total) return { heads: [], total }
  const select = prepare<WorkspaceHead>(`select id, version, ${slotColumn} from workspaces where ${where} order by created_at desc, id desc limit ? offset ?`)
  return { heads: await select(q, [...parameters, query.limit, offset]), total }
}

const selectHead = prepare<WorkspaceHead & { account_id: string }>(`select id, version, account_id, ${slotColumn} from workspaces where id = ?`)

/** Returns the head of a workspace of an account. */
export async function findHead(q: Queryable, accountId: string, id: string): Promise<WorkspaceHead | undefined> {
  const [row] = await selectHead(q, [id])
  return row?.account_id === accountId ? row : undefined
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
