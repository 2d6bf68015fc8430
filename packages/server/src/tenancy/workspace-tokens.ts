/** Signed tokens that name a workspace. The key is a file beside the database, never in it. */
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { SignJWT } from 'jose'
import type { Clock } from '../lib/clock.ts'
import { findFile, writeFileDurably } from '../lib/files.ts'

/** Time a token is valid, s. */
const lifetimeSeconds = 3600

/** Signs tokens of workspaces. */
export interface WorkspaceTokens {
  /** A JWT (HS256) with the workspace as `sub`, its account as `acc`, valid for an hour. */
  sign(workspace: { readonly id: string; readonly account_id: string }): Promise<string>
}

/** Reads the signing key, making it on first use. The caller holds the lock of the data directory, so nobody else makes one. */
export async function createWorkspaceTokens({ keyPath, issuer, clock }: { keyPath: string; issuer: string; clock: Clock }): Promise<WorkspaceTokens> {
  if ((await findFile(keyPath)) === undefined) await writeFileDurably(keyPath, randomBytes(32).toString('base64url'))
  const key = Buffer.from((await readFile(keyPath, 'utf8')).trim(), 'base64url')
  if (key.length < 32) throw new Error(`${keyPath} does not hold a key of 256 bits; remove it to have one made`)
  return {
    sign({ id, account_id }) {
      const now = Math.floor(clock.now() / 1000)
      return new SignJWT({ acc: account_id })
        .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
        .setIssuer(issuer)
        .setSubject(id)
        .setIssuedAt(now)
        .setExpirationTime(now + lifetimeSeconds)
        .sign(key)
    },
  }
}
