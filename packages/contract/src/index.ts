/** The wire: schemas, states, errors and operations. Everything that crosses the network is described here and nowhere else. */
export * from './config.ts'
export * from './errors.ts'
export * from './limits.ts'
export * from './openapi.ts'
export * from './operations.ts'
export type { Schema } from './print-types.ts'
export * from './states.ts'
export * from './workspace.ts'
