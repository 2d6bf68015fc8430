/** API keys: making them, and telling who calls. Secrets have 256 random bits, so a plain SHA-256 is enough to store. */
import { hash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Clock } from '../lib/clock.ts'
import { fail } from '../lib/fail.ts'
import { newId } from '../lib/ids.ts'
import * as accounts from '../store/accounts.ts'
import * as keys from '../store/api-keys.ts'
import type { Store } from '../store/open.ts'
import { createFailedAttempts } from './failed-attempts.ts'
import type { Principal } from './principal.ts'

/** A new key; the secret is shown this once and stored nowhere. */
export interface Credentials {
  readonly accountId: string
  readonly clientId: string
  readonly clientSecret: string
}

/** Whose key to make. */
export interface KeyRequest {
  /** Name of the account; made if there is none. */
  readonly account: string
  /** Plan of the account: given, an account that exists moves to it; absent, a new one gets `defaultPlan`. The caller has checked that it exists. */
  readonly plan?: string | undefined
  readonly defaultPlan: string
}

/** Makes a key, and its account if it is new. Works while another process serves. @throws validation_error */
export async function createKey({ store, clock }: { readonly store: Store; readonly clock: Clock }, request: KeyRequest): Promise<Credentials> {
  const { account: name, plan, defaultPlan } = request
  if (!accountName.test(name)) {
    fail('validation_error', { message: 'An account name has 1 to 64 letters, digits, dots, hyphens, underscores or @.', details: { field: 'account' } })
  }
  const clientId = `ck_${randomBytes(12).toString('hex')}`
  const clientSecret = `sk_${randomBytes(32).toString('base64url')}`
  return store.transaction(async (tx) => {
    const now = clock.now()
    await accounts.insert(tx, { id: newId('acc'), name, plan: plan ?? defaultPlan, created_at: now })
    const account = await accounts.findByName(tx, name)
    if (!account) throw new Error(`account ${name} was removed while it was read`)
    if (plan !== undefined && plan !== account.plan) await accounts.setPlan(tx, account.id, plan)
    await keys.insert(tx, { id: clientId, account_id: account.id, secret_hash: hash('sha256', clientSecret, 'hex'), created_at: now })
    return { accountId: account.id, clientId, clientSecret }
  })
}

/** Tells who calls. */
export interface Authenticator {
  /**
   * Returns the principal of a key.
   * @param remoteAddress where the request came from; failures are counted by it, successes never limited
   * @throws MISSING_USER_ID rate_limited
   */
  authenticate(clientId: string | undefined, clientSecret: string | undefined, remoteAddress: string): Promise<Principal>
}

/** Makes an authenticator. What it remembers of a key is at most a second old, so a revocation takes effect within one. */
export function createAuthenticator({ store, clock }: { readonly store: Store; readonly clock: Clock }): Authenticator {
  const remembered = new Map<string, { readonly key: keys.ActiveKey; readonly until: number }>()
  const failures = createFailedAttempts({ clock })

  async function findKey(clientId: string): Promise<keys.ActiveKey | undefined> {
    const now = clock.monotonic()
    const known = remembered.get(clientId)
    if (known && now < known.until) return known.key
    remembered.delete(clientId)
    const key = await keys.findActive(store.db, clientId)
    if (!key) return undefined
    if (remembered.size >= maxRemembered) remembered.delete(remembered.keys().next().value as string)
    remembered.set(clientId, { key, until: now + rememberMs })
    return key
  }

  return {
    async authenticate(clientId, clientSecret, remoteAddress) {
      if (!clientId || !clientSecret) fail('MISSING_USER_ID', { message: 'Send the API key in the headers X-Client-ID and X-Client-Secret.' })
      // The same work whether the id, the secret or both are wrong.
      const given = hash('sha256', clientSecret.slice(0, maxCredentialChars), 'buffer')
      const key = await findKey(clientId.slice(0, maxCredentialChars))
      const matches = timingSafeEqual(given, key ? Buffer.from(key.secretHash, 'hex') : unknownHash)
      if (key && matches) return { accountId: key.accountId, keyId: key.keyId, plan: key.plan }
      if (failures.add(remoteAddress)) fail('rate_limited', { message: 'Too many wrong API keys from this address; wait a minute.' })
      fail('MISSING_USER_ID', { message: 'The API key is unknown or revoked; make one with `alcove key create`.' })
    },
  }
}

const accountName = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$/
/** Longer credentials are cut: none of ours comes near it. */
const maxCredentialChars = 256
/** Age at which a remembered key is looked up again, ms. */
const rememberMs = 1000
/** Keys remembered; beyond it the oldest goes. */
const maxRemembered = 10_000
/** Compared with when the id is unknown. */
const unknownHash = Buffer.alloc(32)
