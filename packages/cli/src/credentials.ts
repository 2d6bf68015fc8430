/** Where address and key come from: flags, then environment, then file; each value by itself. */
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Environment } from './environment.ts'
import { CliError, exitCodes, usageError } from './exit-codes.ts'

/** Address of a server and a key of it. */
export interface Credentials {
  readonly url: string
  readonly clientId: string
  readonly clientSecret: string
}

const names = ['url', 'clientId', 'clientSecret'] as const

/** Finds the credentials. @throws CliError when one of them is nowhere. */
export async function findCredentials(flags: Partial<Credentials>, environment: Environment): Promise<Credentials> {
  const given = merge(flags, environment)
  const found = isComplete(given) ? given : merge(given, await readFileIfThere(environment))
  if (isComplete(found)) return found
  const missing = names.filter((name) => found[name] === undefined).map((name) => variables[name])
  throw new CliError(
    'no_credentials',
    `no credentials (${missing.join(', ')} not set, ${environment.credentialsPath} does not have them); run: alcove login --file DATA_DIR/credentials.json`,
    exitCodes.authentication,
  )
}

/** Reads a credentials file whole. @throws CliError when it is unreadable or incomplete. */
export async function readCredentials(path: string): Promise<Credentials> {
  const found = await read(path)
  if (!isComplete(found)) throw usageError(`${path} must hold the strings url, clientId and clientSecret`)
  return { url: found.url, clientId: found.clientId, clientSecret: found.clientSecret }
}

/** Writes a credentials file that only its owner can read; a reader sees the old one or the new one. */
export async function writeCredentials(path: string, credentials: Credentials): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const temporary = `${path}.${process.pid}.tmp`
  await rm(temporary, { force: true })
  const file = await open(temporary, 'wx', 0o600)
  try {
    await file.writeFile(`${JSON.stringify(credentials, undefined, 2)}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
}

const variables = { url: 'ALCOVE_URL', clientId: 'ALCOVE_CLIENT_ID', clientSecret: 'ALCOVE_CLIENT_SECRET' } as const

type Found = { readonly [name in (typeof names)[number]]?: string | undefined }

function merge(first: Found, second: Found): Found {
  return Object.fromEntries(names.map((name) => [name, first[name] ?? second[name]]))
}

function isComplete(found: Found): found is Credentials {
  return names.every((name) => found[name] !== undefined)
}

async function readFileIfThere({ credentialsPath, credentialsPathGiven }: Environment): Promise<Found> {
  try {
    return await read(credentialsPath)
  } catch (error) {
    const isAbsent = error instanceof CliError && (error.cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT'
    if (isAbsent && !credentialsPathGiven) return {}
    throw error
  }
}

async function read(path: string): Promise<Found> {
  let parsed: unknown
  try {
    parsed = JSON.parse(await readFile(path, 'utf8'))
  } catch (error) {
    const reason = error instanceof SyntaxError ? 'it is not JSON' : (error as Error).message
    throw Object.assign(new CliError('no_credentials', `cannot read the credentials file ${path}: ${reason}`, exitCodes.authentication), { cause: error })
  }
  const record = (typeof parsed === 'object' && parsed !== null ? parsed : {}) as Record<string, unknown>
  return Object.fromEntries(names.flatMap((name) => (typeof record[name] === 'string' && record[name] !== '' ? [[name, record[name]]] : [])))
}
