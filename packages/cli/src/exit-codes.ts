/** The exit codes of the CLI, and which failure gets which. `docs/cli.md` lists them. */
import {
  AlcoveError,
  AuthenticationError,
  ConflictError,
  ConnectionError,
  NotFoundError,
  PaymentRequiredError,
  PermissionError,
  PreconditionFailedError,
  TimeoutError,
  ValidationError,
} from '@alcove/sdk'

/** Exit codes by meaning. */
export const exitCodes = {
  ok: 0,
  failure: 1,
  usage: 2,
  notFound: 3,
  authentication: 4,
  limit: 5,
  conflict: 6,
  unavailable: 7,
  interrupted: 130,
} as const

/** A failure found by the CLI itself. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly code: string
  readonly exitCode: number

  constructor(code: string, message: string, exitCode: number) {
    super(message)
    this.code = code
    this.exitCode = exitCode
  }
}

/** A failure that has been printed: only its exit code is left to say. */
export class ReportedError extends CliError {
  constructor(exitCode: number) {
    super('reported', 'reported above', exitCode)
  }
}

/** A mistake in the arguments. */
export function usageError(message: string): CliError {
  return new CliError('usage', message, exitCodes.usage)
}

/** The exit code of a failure. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CliError) return error.exitCode
  if (!(error instanceof AlcoveError)) return exitCodes.failure
  // A full disk of the host is a limit too, though not one of the plan.
  if (error.code === 'RESOURCE_NOT_ALLOWED' || error.code === 'storage_full') return exitCodes.limit
  if (unavailableStatuses.has(error.status)) return exitCodes.unavailable
  return classes.find(([ErrorClass]) => error instanceof ErrorClass)?.[1] ?? exitCodes.failure
}

const unavailableStatuses = new Set<number | undefined>([429, 502, 503, 504])

const classes = [
  [ValidationError, exitCodes.usage],
  [NotFoundError, exitCodes.notFound],
  [AuthenticationError, exitCodes.authentication],
  [PermissionError, exitCodes.authentication],
  [PaymentRequiredError, exitCodes.limit],
  [ConflictError, exitCodes.conflict],
  [PreconditionFailedError, exitCodes.conflict],
  [ConnectionError, exitCodes.unavailable],
  [TimeoutError, exitCodes.unavailable],
] as const
