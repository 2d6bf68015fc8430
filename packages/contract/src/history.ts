/** Operations and events: what was done with workspaces, and what happened to them. */
import Type, { type Static } from 'typebox'
import { answer, timestamp } from './answers.ts'
import { workspaceStatuses } from './states.ts'

const closed = <T extends Parameters<typeof Type.Object>[0]>(properties: T) => Type.Object(properties, { additionalProperties: false })

/** What an operation may be. */
export const operationVerbs = [
  'create',
  'start',
  'stop',
  'restart',
  'pause',
  'resume',
  'retry',
  'delete',
  'update',
  'resources',
  'metadata',
  'lifecycle',
  'ping',
] as const
export type OperationVerb = (typeof operationVerbs)[number]

/** Why something was done: at somebody's request, or by a rule. */
export const causes = ['request', 'ttl', 'restart_policy', 'remove_on_exit', 'guest', 'host', 'host_reboot', 'recovery', 'deadline', 'clock'] as const
export type Cause = (typeof causes)[number]

const Step = closed({ name: Type.String({ description: 'A status of the workspace, or a part of a boot.' }), at: timestamp('When it began.') })

export const OperationObject = closed({
  id: Type.String({ description: '`op_` and 12 lowercase letters or digits; also in the header `X-Operation-Id` of the answer.' }),
  workspace_id: Type.String(),
  verb: Type.Enum(operationVerbs),
  status: Type.Enum(['running', 'succeeded', 'failed', 'cancelled'], { description: '`cancelled`: given up in favour of a later one.' }),
  actor: Type.String({ description: 'A key id, or `system`.' }),
  cause: Type.Enum(causes),
  steps: Type.Array(Step),
  error: Type.Union([closed({ code: Type.String(), message: Type.String() }), Type.Null()]),
  created_at: timestamp('When it began.'),
  ended_at: Type.Union([timestamp('When it ended.'), Type.Null()]),
})
export type OperationView = Static<typeof OperationObject>

export const Event = closed({
  id: Type.String({ description: 'Grows; what `Last-Event-ID` and `after` take.' }),
  workspace_id: Type.String(),
  at: timestamp('When it happened.'),
  type: Type.String({ description: '`status`, `health`, `updated`, `restart`, `deleted` and the like.' }),
  from: Type.Union([Type.Enum(workspaceStatuses), Type.Null()]),
  to: Type.Union([Type.Enum(workspaceStatuses), Type.Null()]),
  boot_id: Type.Union([Type.String(), Type.Null()]),
  actor: Type.String({ description: 'A key id, or `system`.' }),
  cause: Type.Enum(causes),
  reason: Type.String({ description: 'Why, for people.' }),
  operation_id: Type.Union([Type.String(), Type.Null()]),
  data: Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Null()], { description: 'Facts for programs, such as how a VM ended.' }),
})
export type EventView = Static<typeof Event>

const page = (what: string) => ({
  limit: Type.Optional(Type.Integer({ minimum: 1, default: 50, description: 'Capped at 100.' })),
  after: Type.Optional(Type.String({ maxLength: 64, description: `${what}: the page that follows it.` })),
})

export const OperationParams = Type.Object({ operationId: Type.String({ maxLength: 128 }) })
export const OperationAnswer = answer({ operation: OperationObject })
export const OperationsQuery = Type.Object(page('Id of the last operation of a page, newest first'))
export type OperationsQuery = Static<typeof OperationsQuery>
export const OperationsAnswer = answer({ operations: Type.Array(OperationObject), next: Type.Union([Type.String(), Type.Null()]) })
export const EventsQuery = Type.Object(page('Id of the last event of a page, oldest first'))
export type EventsQuery = Static<typeof EventsQuery>
export const EventsAnswer = answer({ events: Type.Array(Event), next: Type.Union([Type.String(), Type.Null()]) })
export const EventStreamQuery = Type.Object({
  after: Type.Optional(
    Type.String({ maxLength: 20, pattern: '^[0-9]{1,16}$', description: 'Same as the header `Last-Event-ID`; without either, the stream begins now.' }),
  ),
})
export type EventStreamQuery = Static<typeof EventStreamQuery>
