/** What an operation is bound to: a handler for each name of the contract's table, or the server does not compile. */
import type { IncomingHttpHeaders } from 'node:http'
import type { OperationName, operations } from '@alcove/contract'
import type { Static, TObject, TSchema } from 'typebox'
import type { Principal } from '../tenancy/principal.ts'

/** A request of the holder of a key. */
export interface AccountCall {
  readonly principal: Principal
  readonly headers: IncomingHttpHeaders
  /** The id in the path. @throws not_found when it cannot be one */
  workspaceId(): string
  /** The checked query. @throws validation_error, bad_request */
  query<T extends TObject>(schema: T): Static<T>
  /** The parsed body; `{}` when it is empty. @throws payload_too_large, unsupported_media_type, bad_request */
  body(): Promise<unknown>
}

/** Page that is already printed. */
export interface Page {
  readonly contentType: string
  readonly text: string
}

type AnswerOf<Name extends OperationName> = (typeof operations)[Name]['answer'] extends infer A ? (A extends TSchema ? Static<A> : Page) : never

/** Handler of an operation; its answer is checked against the operation's schema. */
export type Handler<Name extends OperationName> = (typeof operations)[Name]['access'] extends 'account'
  ? (call: AccountCall) => Promise<AnswerOf<Name>>
  : () => Promise<AnswerOf<Name>>

/** One handler for each of these operations. */
export type Handlers<Names extends OperationName = OperationName> = { readonly [Name in Names]: Handler<Name> }
