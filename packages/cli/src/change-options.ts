/** The options of every command that changes a workspace. */
import type { ChangeOptions } from '@alcove/sdk'
import type { Command } from 'commander'
import type { Context } from './context.ts'
import { parseCount } from './parse.ts'

/** Values of the options, as the parser leaves them. */
export interface ChangeFlags {
  readonly idempotencyKey?: string
  readonly ifGeneration?: number
}

/** Adds the options. */
export function addChangeOptions(command: Command): Command {
  return command
    .option('--if-generation <n>', 'refuse if the workspace has another generation: it was started anew since', parseCount)
    .option('--idempotency-key <key>', 'the same command with the same key acts once')
}

/** Makes the options of the call. */
export function changeOptions({ idempotencyKey, ifGeneration }: ChangeFlags, { signal }: Context): ChangeOptions {
  return { signal, ...(idempotencyKey === undefined ? {} : { idempotencyKey }), ...(ifGeneration === undefined ? {} : { ifGeneration }) }
}
