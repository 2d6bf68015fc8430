import assert from 'node:assert/strict'
import test from 'node:test'
import { sqliteStore } from '../../../../test/support/store.ts'
import { type Clock, systemClock } from '../lib/clock.ts'
import * as accounts from '../store/accounts.ts'
import * as keys from '../store/api-keys.ts'
import { createAuthenticator, createKey } from './api-keys.ts'
import { maxFailures } from './failed-attempts.ts'

/** A clock that stands still until told otherwise. */
function handClock(): Clock & { advance(ms: number): void } {
  let now = 1_000_000
  const advance = (ms: number) => {
    now += ms
  }
  return { ...systemClock, now: () => now, monotonic: () => now, advance }
}

async function setUp(t: Parameters<typeof sqliteStore>[0]) {
  const { store } = await sqliteStore(t)
  const clock = handClock()
  return {
    store,
    clock,
    auth: createAuthenticator({ store, clock }),
    make: (plan?: string) => createKey({ store, clock }, { account: 'acme', plan, defaultPlan: 'pro' }),
  }
}

test('a new key is let in as its account, and its secret is stored nowhere', async (t) => {
  const { store, auth, make } = await setUp(t)
  const made = await make()
  assert.match(made.clientId, /^ck_[0-9a-f]{24}$/)
  assert.match(made.clientSecret, /^sk_[A-Za-z0-9_-]{43}$/)
  assert.deepEqual(await auth.authenticate(made.clientId, made.clientSecret, 'a'), { accountId: made.accountId, keyId: made.clientId, plan: 'pro' })
  const stored = JSON.stringify(await keys.listByAccount(store.db, made.accountId))
  assert.ok(!stored.includes(made.clientSecret.slice(3)))
})

test('a second key joins the account, and a named plan moves it', async (t) => {
  const { store, auth, make } = await setUp(t)
  const [first, second, third] = [await make(), await make(), await make('scale')]
  assert.equal(new Set([first.accountId, second.accountId, third.accountId]).size, 1)
  assert.equal((await accounts.get(store.db, first.accountId)).plan, 'scale')
  assert.equal((await auth.authenticate(first.clientId, first.clientSecret, 'a')).plan, 'scale')
})

test('what is wrong, missing or strange is refused', async (t) => {
  const { auth, make } = await setUp(t)
  const { clientId, clientSecret } = await make()
  const pairs = [
    [undefined, undefined],
    [clientId, undefined],
    [undefined, clientSecret],
    ['', ''],
    [clientId, `${clientSecret}x`],
    [clientId, 'x'.repeat(100_000)],
    [`${clientId}x`, clientSecret],
    ['\0', '\uD800'],
  ]
  for (const [id, secret] of pairs) await assert.rejects(auth.authenticate(id, secret, 'a'), { code: 'MISSING_USER_ID' })
  await assert.rejects(createKey({ store: (await sqliteStore(t)).store, clock: systemClock }, { account: 'a b', defaultPlan: 'pro' }), {
    code: 'validation_error',
  })
})

test('a revocation takes effect within a second', async (t) => {
  const { store, clock, auth, make } = await setUp(t)
  const { clientId, clientSecret } = await make()
  await auth.authenticate(clientId, clientSecret, 'a')
  await keys.revoke(store.db, clientId, clock.now())
  clock.advance(1000)
  await assert.rejects(auth.authenticate(clientId, clientSecret, 'a'), { code: 'MISSING_USER_ID' })
})

test('guessing is slowed down by address, and a right key is never', async (t) => {
  const { clock, auth, make } = await setUp(t)
  const { clientId, clientSecret } = await make()
  const guess = (address: string) => auth.authenticate(clientId, 'sk_wrong', address)
  for (let n = 0; n < maxFailures; n++) await assert.rejects(guess('a'), { code: 'MISSING_USER_ID' })
  await assert.rejects(guess('a'), { code: 'rate_limited' })
  await assert.rejects(guess('b'), { code: 'MISSING_USER_ID' })
  await assert.rejects(auth.authenticate(undefined, undefined, 'a'), { code: 'MISSING_USER_ID' })
  await auth.authenticate(clientId, clientSecret, 'a')
  clock.advance(60_000)
  await assert.rejects(guess('a'), { code: 'MISSING_USER_ID' })
})
