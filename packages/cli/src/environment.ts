/** The only place of the CLI that reads the environment. */
import { homedir } from 'node:os'
import { join } from 'node:path'

/** What the environment says. */
export interface Environment {
  readonly url: string | undefined
  readonly clientId: string | undefined
  readonly clientSecret: string | undefined
  /** Where `login` writes and every command reads. */
  readonly credentialsPath: string
  /** Whether the path was given, so that a missing file is a mistake. */
  readonly credentialsPathGiven: boolean
  /** Whether the terminal can move its cursor. */
  readonly canAnimate: boolean
}

/** Reads the environment of the process; empty variables count as unset. */
export function readEnvironment(): Environment {
  const read = (name: string) => process.env[name] || undefined
  const given = read('ALCOVE_CREDENTIALS')
  return {
    url: read('ALCOVE_URL'),
    clientId: read('ALCOVE_CLIENT_ID'),
    clientSecret: read('ALCOVE_CLIENT_SECRET'),
    credentialsPath: given ?? join(read('XDG_CONFIG_HOME') ?? join(homedir(), '.config'), 'alcove', 'credentials.json'),
    credentialsPathGiven: given !== undefined,
    canAnimate: read('TERM') !== 'dumb' && read('CI') === undefined,
  }
}
