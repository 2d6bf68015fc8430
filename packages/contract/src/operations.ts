/**
 * Every operation of the HTTP API. The server binds a handler to each, `openapi.json` is generated from the list, and the
 * authorisation matrix takes its rows from it: an operation that is not here does not exist.
 */
import { historyOperations } from './operations-history.ts'
import { lifecycleOperations } from './operations-lifecycle.ts'
import { workspaceOperations } from './operations-workspace.ts'

export { isChange, type Operation, takesGeneration } from './operation.ts'

export const operations = { ...workspaceOperations, ...lifecycleOperations, ...historyOperations } as const

/** Name of an operation. */
export type OperationName = keyof typeof operations
