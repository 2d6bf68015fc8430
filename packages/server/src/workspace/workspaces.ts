/** The control plane as the API sees it: one method per operation, domain values in, wire values out. */
import type {
  CatalogImage,
  Config,
  CreateBody,
  ImagesQuery,
  ListQuery,
  LogsQuery,
  Quota,
  Stats,
  UpdateBody,
  Workspace,
  WorkspaceDetails,
} from '@alcove/contract'
import type { Principal } from '../tenancy/principal.ts'

/** The same for an id that never was, one of another account, and text that cannot be an id. */
export const noSuchWorkspace = 'There is no such workspace in this account.'

/** How a create is identified when it is sent again. */
export interface Idempotency {
  readonly key: string
  /** SHA-256 of the canonical body, hex. */
  readonly requestHash: string
}

/** Body of a create after parsing: names checked, aliases folded; defaults that depend on the plan still open. */
export type CreateRequest = Omit<CreateBody, 'config' | 'idempotency_key' | 'wait_ready'> & { readonly config: ConfigPatch }

/** A parsed `config`: aliases folded, nothing filled in. */
export type ConfigPatch = Partial<Omit<Config, 'network_config'>> & { readonly network_config?: Partial<Config['network_config']> }

/** Body of an update after parsing. */
export type UpdateRequest = Omit<UpdateBody, 'config'> & { readonly config?: ConfigPatch }

/** The workspaces of all accounts. Another account's id is as unknown as one that never was. @throws AlcoveError with the codes of the operation. */
export interface Workspaces {
  create(principal: Principal, request: CreateRequest, idempotency: Idempotency | undefined): Promise<Workspace>
  list(
    principal: Principal,
    query: Required<Pick<ListQuery, 'page' | 'limit'>> & ListQuery,
  ): Promise<{ workspaces: Workspace[]; total: number; page: number; limit: number }>
  get(principal: Principal, id: string): Promise<Workspace>
  details(principal: Principal, id: string): Promise<WorkspaceDetails>
  update(principal: Principal, id: string, request: UpdateRequest): Promise<{ workspace: Workspace; restartRequired: boolean }>
  remove(principal: Principal, id: string): Promise<void>
  start(principal: Principal, id: string, options: { readonly force: boolean }): Promise<Workspace>
  stop(principal: Principal, id: string): Promise<Workspace>
  restart(principal: Principal, id: string): Promise<Workspace>
  logs(principal: Principal, id: string, query: Required<LogsQuery>): Promise<string>
  stats(principal: Principal, id: string): Promise<Stats>
  quota(principal: Principal): Promise<Omit<Quota, 'success'>>
  images(query: ImagesQuery): Promise<{ images: CatalogImage[]; categories: { id: string; label: string }[] }>
}
