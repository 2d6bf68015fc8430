/** The one error class of the server. Everything that a caller may see is raised through {@link fail}. */
import { type ErrorCode, errors, httpStatus } from '@alcove/contract'

/** What an error may carry besides its code. */
export interface FailDetails {
  /** What went wrong and what to do next; the registry's meaning when absent. */
  readonly message?: string
  /** Facts for programs: `field`, `allowed`, `current`, `max` and the like. */
  readonly details?: Readonly<Record<string, unknown>>
  /** What caused it; goes to the log only. */
  readonly cause?: unknown
}

/** An error with a registered code. */
export class AlcoveError extends Error {
  readonly code: ErrorCode
  readonly details: Readonly<Record<string, unknown>> | undefined

  constructor(code: ErrorCode, { message, details, cause }: FailDetails = {}) {
    super(message ?? errors[code].meaning, cause === undefined ? undefined : { cause })
    this.name = 'AlcoveError'
    this.code = code
    this.details = details
  }

  /** HTTP status of the code. */
  get status(): number {
    return httpStatus(this.code)
  }
}

/** Raises a registered error. */
export function fail(code: ErrorCode, about?: FailDetails): never {
  throw new AlcoveError(code, about)
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
