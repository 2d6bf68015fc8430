/** What every client command works with. */
import { Alcove, type Workspaces } from '@alcove/sdk'
import type { Command } from 'commander'
import { type Credentials, findCredentials } from './credentials.ts'
import type { Environment } from './environment.ts'
import { usageError } from './exit-codes.ts'

/** One run of the CLI. */
export interface Context {
  readonly environment: Environment
  /** Aborts when the user interrupts. */
  readonly signal: AbortSignal
  /** Whether the output is for machines. */
  readonly isJson: boolean
}

/** Adds the options that every client command has. */
export function addClientOptions(command: Command): Command {
  return command
    .option('--url <url>', 'address of the server')
    .option('--client-id <id>', 'id of the API key')
    .option('--client-secret <secret>', 'secret of the API key (visible to other users of this machine; prefer the environment)')
    .option('--json', 'print JSON for machines')
}

/** Makes the client of a command from its flags, the environment and the credentials file. */
export async function openClient(flags: Partial<Credentials>, context: Context): Promise<Alcove> {
  const { url, clientId, clientSecret } = await findCredentials(flags, context.environment)
  try {
    // Two retries: a server that is not there is reported within a second or two.
    return new Alcove({ baseUrl: url, clientId, clientSecret, maxRetries: 2 })
  } catch (error) {
    throw usageError((error as Error).message)
  }
}

/** The calls about workspaces of {@link openClient}. */
export async function openWorkspaces(flags: Partial<Credentials>, context: Context): Promise<Workspaces> {
  return (await openClient(flags, context)).workspaces
}
