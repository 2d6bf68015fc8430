/** Who is calling, from the headers of a request. */
import type { IncomingHttpHeaders } from 'node:http'
import { fail } from '../lib/fail.ts'
import type { Principal } from '../tenancy/principal.ts'

/** Judges a pair of credentials. @throws MISSING_USER_ID, rate_limited */
export type Authenticate = (clientId: string, clientSecret: string, remoteAddress: string) => Promise<Principal>

/**
 * Printable ASCII without space and comma. Node joins a header that was sent twice with `, `, so a duplicate never matches;
 * the bound keeps the work per attempt small.
 */
const credential = /^[!-+\--~]{1,256}$/

/** Authenticates a request by its headers alone, before its body is read. @throws MISSING_USER_ID, rate_limited */
export async function authenticateRequest(authenticate: Authenticate, headers: IncomingHttpHeaders, remoteAddress: string): Promise<Principal> {
  const clientId = headers['x-client-id']
  const clientSecret = headers['x-client-secret']
  if (!isCredential(clientId) || !isCredential(clientSecret)) {
    return fail('MISSING_USER_ID', { message: 'Send one X-Client-ID and one X-Client-Secret header with the credentials of an API key.' })
  }
  return authenticate(clientId, clientSecret, remoteAddress)
}

function isCredential(value: string | string[] | undefined): value is string {
  return typeof value === 'string' && credential.test(value)
}
