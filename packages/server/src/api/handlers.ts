/** What an operation is bound to: a handler for each name of the contract's table, or the server does not compile. */
import type { OperationName, operations } from '@alcove/contract'
import type { Static, TObject, TSchema } from 'typebox'
import type { Principal } from '../tenancy/principal.ts'
import type { Requester } from '../workspace/caller.ts'
import type { EventSource } from '../workspace/event-feed.ts'

/** A request of the holder of a key that reads something. */
export interface AccountCall {
  readonly principal: Principal
  /** The id in the path. @throws not_found when it cannot be one */
  workspaceId(): string
  /** The id in the path. @throws not_found when it cannot be one */
  operationId(): string
  /** The checked query. @throws validation_error, bad_request */
  query<T extends TObject>(schema: T): Static<T>
  /** A header, where it was sent once. */
  header(name: string): string | undefined
}

/** A request of the holder of a key that changes something. */
export interface ChangeCall extends AccountCall {
  readonly requester: Requester
  /** The parsed body; `{}` when it is empty. */
  readonly body: unknown
  /** Tells the operation that was done, where it is not the requester's own; the answer names it. */
  acted(operationId: string): void
}

/** Page that is already printed. */
export interface Page {
  readonly contentType: string
  readonly text: string
}

type AnswerOf<Name extends OperationName> = (typeof operations)[Name]['answer'] extends infer A
  ? A extends TSchema
    ? Static<A>
    : A extends 'events'
      ? EventSource
      : Page
  : never

/** Handler of an operation; its answer is checked against the operation's schema. */
export type Handler<Name extends OperationName> = (typeof operations)[Name]['access'] extends 'account'
  ? (call: (typeof operations)[Name]['method'] extends 'GET' ? AccountCall : ChangeCall) => Promise<AnswerOf<Name>>
  : () => Promise<AnswerOf<Name>>

/** One handler for each of these operations. */
export type Handlers<Names extends OperationName = OperationName> = { readonly [Name in Names]: Handler<Name> }
