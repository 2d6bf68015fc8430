import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { addAccount, newWorkspace, sqliteStore } from '../../../../test/support/store.ts'
import { AlcoveError } from '../lib/fail.ts'
import * as workspaces from '../store/workspaces.ts'
import { checkAdmission, checkStart, checkUpdate, quota } from './ledger.ts'
import { createPlans, type Plan } from './plans.ts'

const small: Plan = createPlans({
  host: { cpus: 1, memoryMib: 1, diskMib: 1 },
  configured: {
    small: {
      limits: { cpus: { max: 4 }, memory_mb: { max: 1024 }, writable_size_mb: { max: 2048 } },
      pool: { cpus: 6, memory_mb: 2048, disk_mb: 4096 },
      running_pool: { cpus: 4, memory_mb: 1024, disk_mb: 4096 },
      maxSandboxes: 3,
    },
  },
}).get('small')
const size = (cpus: number, memory_mb = 128, disk_mb = 64) => ({ cpus, memory_mb, disk_mb })

test('the checks of a create come in order and name what was asked and what is allowed', async (t) => {
  const { store } = await sqliteStore(t)
  const accountId = await addAccount(store.db)
  const admit = (request: workspaces.Amounts, running = true) => store.transaction((tx) => checkAdmission(tx, { accountId, plan: small, request, running }))
  const add = (cpus: number, status: 'running' | 'stopped') => workspaces.insert(store.db, newWorkspace(accountId, { ...size(cpus), status }))

  await admit(size(4))
  await assert.rejects(admit(size(5)), { code: 'RESOURCE_NOT_ALLOWED', details: { field: 'cpus', min: 1, max: 4, requested: 5 } })
  await assert.rejects(admit(size(1, 64)), { code: 'RESOURCE_NOT_ALLOWED', details: { field: 'memory_mb', min: 128, max: 1024, requested: 64 } })
  await assert.rejects(admit(size(1, 128, 4096)), { code: 'RESOURCE_NOT_ALLOWED', details: { field: 'writable_size_mb', min: 64, max: 2048, requested: 4096 } })
  await add(3, 'running')
  await assert.rejects(admit(size(2)), { code: 'RUNNING_POOL_REACHED', details: { field: 'cpus', current: 3, requested: 2, max: 4 } })
  await admit(size(2), false)
  await assert.rejects(admit(size(4)), { code: 'POOL_LIMIT_REACHED', details: { field: 'cpus', current: 3, requested: 4, max: 6 } })
  await add(1, 'stopped')
  await add(2, 'stopped')
  await assert.rejects(admit(size(4)), { code: 'SANDBOX_LIMIT_REACHED', details: { current: 3, max: 3 } })
  await assert.rejects(admit(size(5)), { code: 'RESOURCE_NOT_ALLOWED' })
})

test('a start is held against the running pool only, an update against what it changes only', async (t) => {
  const { store } = await sqliteStore(t)
  const accountId = await addAccount(store.db)
  await workspaces.insert(store.db, newWorkspace(accountId, { ...size(3), status: 'running' }))
  const { id } = await workspaces.insert(store.db, newWorkspace(accountId, { ...size(2), status: 'stopped' }))
  const claim = { accountId, plan: small, workspaceId: id }
  const start = (cpus: number) => store.transaction((tx) => checkStart(tx, { ...claim, request: size(cpus) }))
  const update = (from: number, to: number) => store.transaction((tx) => checkUpdate(tx, { ...claim, current: size(from), request: size(to) }))
  await start(1)
  await assert.rejects(start(2), { code: 'RUNNING_POOL_REACHED' })
  await update(2, 3)
  await assert.rejects(update(2, 4), { code: 'POOL_LIMIT_REACHED', details: { field: 'cpus', current: 3, requested: 4, max: 6 } })
  await assert.rejects(update(2, 5), { code: 'RESOURCE_NOT_ALLOWED' })
  // An account over its plan may keep what it has and give back.
  await update(9, 9)
  await update(9, 4)
})

test('the quota tells whether a create of default size would pass', async (t) => {
  const { store } = await sqliteStore(t)
  const statuses = ['creating', 'running', 'stopped', 'failed', 'deleting'] as const
  const existing = fc.array(fc.record({ cpus: fc.integer({ min: 1, max: 3 }), status: fc.constantFrom(...statuses) }), { maxLength: 4 })
  await fc.assert(
    fc.asyncProperty(existing, async (rows) => {
      const accountId = await addAccount(store.db)
      for (const { cpus, status } of rows) await workspaces.insert(store.db, newWorkspace(accountId, { ...size(cpus), status }))
      const answer = await quota(store.db, { accountId, plan: small })
      const usual = { cpus: 1, memory_mb: 512, disk_mb: 512 }
      const admitted = await store
        .transaction((tx) => checkAdmission(tx, { accountId, plan: small, request: usual, running: true }))
        .then(
          () => null,
          (error: unknown) => (error instanceof AlcoveError ? error.message : 'unexpected'),
        )
      assert.equal(answer.reason, admitted)
      assert.equal(answer.canCreate, admitted === null)
      assert.equal(answer.currentSandboxes, rows.length)
      assert.equal(
        answer.pool_usage.cpus,
        rows.reduce((sum, row) => sum + row.cpus, 0),
      )
    }),
    { numRuns: 30 },
  )
})
