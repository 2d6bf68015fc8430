/** The call about operations. */
import type { Caller, CallOptions } from './caller.ts'
import { path } from './path.ts'
import type { Operation, OperationAnswer } from './types.gen.ts'

/** What was done, by its id. */
export interface Operations {
  /** Gets an operation: how a change went whose answer was lost. Its id is in the `X-Operation-Id` of answers and in events. */
  get(operationId: string, options?: CallOptions): Promise<Operation>
}

/** Makes the method. */
export function createOperations({ read }: Caller): Operations {
  return { get: async (id, options) => (await read<OperationAnswer>(path`/operations/${id}`, 'operation', options)).operation }
}
