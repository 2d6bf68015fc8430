/** The control plane as the API sees it: one method per operation, domain values in, wire values out. */
import type {
  CatalogImage,
  Config,
  CreateBody,
  EstimateAnswer,
  EstimateQuery,
  IdlePolicy,
  ImagesQuery,
  LifecycleAnswer,
  ListQuery,
  LogsQuery,
  Metadata,
  MetadataBody,
  PermanentBody,
  PingBody,
  Quota,
  Resources,
  Stats,
  UpdateBody,
  Workspace,
  WorkspaceDetails,
} from '@alcove/contract'
import type { Principal } from '../tenancy/principal.ts'
import type { Requester } from './caller.ts'
import type { ResourcesChange, ResourcesChanged } from './resources.ts'
import type { Term } from './settings.ts'
import type { PowerVerb } from './verbs.ts'

/** The same for an id that never was, one of another account, and text that cannot be an id. */
export const noSuchWorkspace = 'There is no such workspace in this account.'

/** Body of a create after parsing: names checked, aliases folded; defaults that depend on the plan still open. */
export type CreateRequest = Omit<CreateBody, 'config' | 'idempotency_key' | 'wait_ready'> & { readonly config: ConfigPatch }

/** A parsed `config`: aliases folded, nothing filled in. */
export type ConfigPatch = Partial<Omit<Config, 'network_config'>> & { readonly network_config?: Partial<Config['network_config']> }

/** Body of an update after parsing. */
export type UpdateRequest = Omit<UpdateBody, 'config'> & { readonly config?: ConfigPatch }

/** The workspaces of all accounts. Another account's id is as unknown as one that never was. @throws AlcoveError with the codes of the operation. */
export interface Workspaces {
  create(requester: Requester, request: CreateRequest): Promise<Done>
  list(
    principal: Principal,
    query: Required<Pick<ListQuery, 'page' | 'limit'>> & ListQuery,
  ): Promise<{ workspaces: Workspace[]; total: number; page: number; limit: number }>
  get(principal: Principal, id: string): Promise<Workspace>
  details(principal: Principal, id: string): Promise<WorkspaceDetails>
  update(requester: Requester, id: string, request: UpdateRequest): Promise<{ workspace: Workspace; restartRequired: boolean }>
  /** Returns the id of the operation. */
  remove(requester: Requester, id: string): Promise<string>
  perform(requester: Requester, id: string, verb: PowerVerb): Promise<Done>
  lifecycle(principal: Principal, id: string): Promise<Omit<LifecycleAnswer, 'success'>>
  makePermanent(requester: Requester, id: string, body: PermanentBody): Promise<Workspace>
  makeTemporary(requester: Requester, id: string, term: Term): Promise<Workspace>
  setTtl(requester: Requester, id: string, term: Term): Promise<Workspace>
  setIdle(requester: Requester, id: string, idle: Config['idle']): Promise<IdlePolicy | null>
  /** Returns when the time to live is over. */
  ping(requester: Requester, id: string, body: PingBody): Promise<string | null>
  resources(principal: Principal, id: string): Promise<Resources>
  changeResources(requester: Requester, id: string, change: ResourcesChange): Promise<ResourcesChanged>
  metadata(principal: Principal, id: string): Promise<Metadata>
  setMetadata(requester: Requester, id: string, given: MetadataBody['metadata']): Promise<Metadata>
  logs(principal: Principal, id: string, query: Required<LogsQuery>): Promise<string>
  stats(principal: Principal, id: string): Promise<Stats>
  quota(principal: Principal): Promise<Omit<Quota, 'success'>>
  estimate(principal: Principal, query: EstimateQuery): Promise<Omit<EstimateAnswer, 'success'>>
  images(query: ImagesQuery): Promise<{ images: CatalogImage[]; categories: { id: string; label: string }[] }>
}

/** A workspace after something was done with it, and the operation that did it. */
export interface Done {
  readonly workspace: Workspace
  readonly operationId: string
}
