import assert from 'node:assert/strict'
import test from 'node:test'
import { sqliteStore } from '../../../../test/support/store.ts'
import { systemClock } from '../lib/clock.ts'
import { createLogger } from '../lib/log.ts'
import * as audit from '../store/audit.ts'
import type { Store } from '../store/open.ts'
import { createDenials, type Denial } from './denials.ts'

const log = createLogger('silent')
const denial = (change: Partial<Denial> = {}): Denial => ({
  ...{ accountId: 'acc_a', actor: 'key', action: 'stopWorkspace', target: 'ws_a', code: 'not_found', requestId: 'req_1' },
  ...change,
})
const anonymous = denial({ accountId: null, actor: 'anonymous', code: 'MISSING_USER_ID' })

async function setUp(t: Parameters<typeof sqliteStore>[0]) {
  const { store } = await sqliteStore(t)
  let passedMs = 0
  const clock = { ...systemClock, monotonic: () => passedMs }
  return {
    store,
    denials: createDenials({ store, clock, log }),
    passMinute: () => {
      passedMs += 60_000
    },
    count: async () => (await audit.verify(store.db)).rows,
  }
}

test('a flood of unknown callers fills no disk, hides no denial of a known one, and is over with its minute', async (t) => {
  const { denials, count, passMinute } = await setUp(t)
  for (let n = 0; n < 130; n++) await denials.record(anonymous)
  assert.equal(await count(), 120)
  for (let n = 0; n < 5; n++) await denials.record(denial())
  assert.equal(await count(), 125)
  passMinute()
  await denials.record(anonymous)
  assert.equal(await count(), 126)
})

test("a denial that cannot be recorded is none of the caller's business", async (t) => {
  const { store } = await setUp(t)
  const broken: Store = { ...store, transaction: () => Promise.reject(new Error('the disk is full')) }
  await createDenials({ store: broken, clock: systemClock, log }).record(denial())
})
