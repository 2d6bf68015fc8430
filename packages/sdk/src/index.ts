/** Client of the Alcove workspace API for Node and browsers. */
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
  RateLimitError,
  ServerError,
  TimeoutError,
  ValidationError,
} from './errors.ts'
export type { Fetch } from './transport.ts'
export type * from './types.gen.ts'
export type { WaitOptions } from './wait.ts'
export type { CallOptions, CreateOptions, Workspaces } from './workspaces.ts'
