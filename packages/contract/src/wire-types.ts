/** The named types of the wire, as the SDK exports them and as `components.schemas` of the OpenAPI document. */
import * as config from './config.ts'
import { errors } from './errors.ts'
import * as history from './history.ts'
import * as lifecycle from './lifecycle.ts'
import type { Declaration, Schema } from './print-types.ts'
import { workspaceStatuses } from './states.ts'
import * as workspace from './workspace.ts'

const declare = (description: string, schema: unknown): Declaration => ({ description, schema: schema as Schema })

/** Every named type, in the order in which it is printed. */
export const wireTypes: Readonly<Record<string, Declaration>> = {
  WorkspaceStatus: declare('State of a workspace.', { enum: workspaceStatuses }),
  WorkspaceMode: declare('Whether a workspace lives until it is deleted, or for a time.', workspace.WorkspaceMode),
  RestartPolicy: declare('When a VM is started again after it ended.', config.RestartPolicy),
  TtlAction: declare('What happens when the time to live is over.', config.TtlAction),
  IdlePolicy: declare('When a workspace sleeps, in seconds; 0 is never.', config.IdlePolicy),
  IdleRequest: declare('When a workspace is to sleep.', config.IdleInput),
  EnvEntry: declare('One environment variable.', config.EnvEntry),
  NetworkConfig: declare('Network policy.', config.NetworkConfig),
  Workload: declare('A program that is started on boot, as it is stored.', config.Workload),
  WorkloadInput: declare('A workload as a request gives it.', config.WorkloadInput),
  WorkspaceConfig: declare('Configuration of a workspace, as a request gives it.', config.ConfigInput),
  StoredConfig: declare('Configuration of a workspace, as it is stored: aliases folded, defaults filled in.', config.Config),
  CreateWorkspaceRequest: declare('Body of a create.', workspace.CreateBody),
  UpdateWorkspaceRequest: declare('Body of an update.', workspace.UpdateBody),
  StartRequest: declare('Body of a start.', workspace.StartBody),
  ListQuery: declare('Page and filters of a list.', workspace.ListQuery),
  LogsQuery: declare('Which log, and how much of it.', workspace.LogsQuery),
  ImagesQuery: declare('Filters of the catalogue.', workspace.ImagesQuery),
  Provisioning: declare('How far the making of a workspace has come.', workspace.Provisioning),
  Workspace: declare('A workspace.', workspace.Workspace),
  Stats: declare('Live usage of a VM.', workspace.Stats),
  Isolation: declare('What separates a VM from its host.', workspace.Isolation),
  WorkspaceDetails: declare('A workspace with its token, usage, lifecycle and config.', workspace.WorkspaceDetails),
  CatalogImage: declare('An image of the catalogue.', workspace.CatalogImage),
  Quota: declare('Plan, limits and usage of an account.', workspace.QuotaAnswer),
  WorkspaceAnswer: declare('Answer with a workspace.', workspace.WorkspaceAnswer),
  UpdateAnswer: declare('Answer to an update.', workspace.UpdateAnswer),
  DetailsAnswer: declare('Answer with the details of a workspace.', workspace.DetailsAnswer),
  ListAnswer: declare('One page of workspaces.', workspace.ListAnswer),
  DeleteAnswer: declare('Answer to a delete.', workspace.DeleteAnswer),
  StatsAnswer: declare('Answer with the usage of a VM.', workspace.StatsAnswer),
  LogsAnswer: declare('Answer with lines of a log.', workspace.LogsAnswer),
  ImagesAnswer: declare('Answer with the catalogue.', workspace.ImagesAnswer),
  ExitCause: declare(
    'What ended a VM. `stop`, `restart`, `ttl` and `remove` were asked for, `guest_…` was the guest itself, the others are failures.',
    lifecycle.ExitCause,
  ),
  LastExit: declare('How a VM ended.', lifecycle.LastExit),
  RestartInfo: declare('What the restart policy did and will do.', lifecycle.RestartInfo),
  LifecycleAnswer: declare('Answer with mode, time to live and restarts.', lifecycle.LifecycleAnswer),
  PermanentRequest: declare('Body of `lifecycle/permanent`.', lifecycle.PermanentBody),
  TemporaryRequest: declare('Body of `lifecycle/temporary`.', lifecycle.TemporaryBody),
  TtlRequest: declare('Body of `lifecycle/ttl`.', lifecycle.TtlBody),
  PingRequest: declare('Body of a ping.', lifecycle.PingBody),
  PingAnswer: declare('Answer to a ping.', lifecycle.PingAnswer),
  IdleAnswer: declare('Answer with the idle policy.', lifecycle.IdleAnswer),
  ResourcesRequest: declare('Body of a change of resources.', lifecycle.ResourcesBody),
  ResourcesAnswer: declare('Answer with the resources of a workspace.', lifecycle.ResourcesAnswer),
  ResourcesChangedAnswer: declare('Answer to a change of resources.', lifecycle.ResourcesChangedAnswer),
  MetadataRequest: declare('Body of a change of metadata.', lifecycle.MetadataBody),
  MetadataAnswer: declare('Answer with metadata.', lifecycle.MetadataAnswer),
  EstimateQuery: declare('Size to be estimated.', lifecycle.EstimateQuery),
  EstimateAnswer: declare('What a workspace costs an hour.', lifecycle.EstimateAnswer),
  Operation: declare('Something that was done, or is being done, with a workspace.', history.OperationObject),
  OperationAnswer: declare('Answer with an operation.', history.OperationAnswer),
  OperationsAnswer: declare('One page of operations.', history.OperationsAnswer),
  HistoryQuery: declare('Page of operations or events.', history.EventsQuery),
  WorkspaceEvent: declare('Something that happened to a workspace.', history.Event),
  EventsAnswer: declare('One page of events.', history.EventsAnswer),
  HealthAnswer: declare('Answer of a server that serves.', workspace.HealthAnswer),
  ErrorAnswer: declare('Answer of a request that failed.', workspace.ErrorAnswer),
  ErrorCode: declare('Code of an error.', { enum: Object.keys(errors) }),
}
