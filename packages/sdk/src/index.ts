/** Client of the Alcove workspace API for Node and browsers. */
export type { CallOptions, ChangeOptions, CreateOptions } from './caller.ts'
export { Alcove, type AlcoveOptions } from './client.ts'
export {
  AlcoveError,
  type AlcoveErrorFields,
  AuthenticationError,
  ConflictError,
  ConnectionError,
  NotFoundError,
  PaymentRequiredError,
  PermissionError,
  PreconditionFailedError,
  RateLimitError,
  ServerError,
  TimeoutError,
  ValidationError,
} from './errors.ts'
export type { Events, StreamOptions } from './events.ts'
export type { Lifecycle } from './lifecycle.ts'
export type { Metadata } from './metadata.ts'
export type { Operations } from './operations.ts'
export type { Fetch } from './request.ts'
export type { Resources } from './resources.ts'
export type * from './types.gen.ts'
export type { WaitOptions } from './wait.ts'
export type { Workspaces } from './workspaces.ts'
