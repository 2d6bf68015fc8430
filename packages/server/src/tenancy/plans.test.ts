import assert from 'node:assert/strict'
import test from 'node:test'
import { createPlans, unlimited } from './plans.ts'

const host = { cpus: 2, memoryMib: 24_000, diskMib: 100_000 }

test('pro has exactly the numbers of the public page', () => {
  assert.deepEqual(createPlans({ host, configured: {} }).get('pro'), {
    name: 'pro',
    label: 'Pro',
    limits: {
      cpus: { min: 1, max: 8, default: 1 },
      memory_mb: { min: 128, max: 4096, default: 512 },
      writable_size_mb: { min: 64, max: 51_200, default: 512 },
    },
    pool: { cpus: 16, memory_mb: 16_384, disk_mb: 51_200 },
    runningPool: { cpus: 8, memory_mb: 8192, disk_mb: 25_600 },
    maxSandboxes: 10,
  })
})

test('self-hosted allows the full range and runs what the host has', () => {
  const plan = createPlans({ host, configured: {} }).get('self-hosted')
  assert.equal(plan.limits.cpus.max, 32)
  assert.deepEqual(plan.pool, { cpus: unlimited, memory_mb: unlimited, disk_mb: 100_000 })
  assert.deepEqual(plan.runningPool, { cpus: 16, memory_mb: 24_000, disk_mb: 100_000 })
})

test('the file changes a built-in plan in part and adds others', () => {
  const plans = createPlans({ host, configured: { pro: { limits: { cpus: { max: 2 } }, maxSandboxes: 1 }, tiny: { label: 'Tiny', pool: { cpus: 1 } } } })
  assert.deepEqual(plans.get('pro').limits.cpus, { min: 1, max: 2, default: 1 })
  assert.equal(plans.get('pro').limits.memory_mb.max, 4096)
  assert.equal(plans.get('pro').maxSandboxes, 1)
  assert.deepEqual(plans.get('tiny').pool, { cpus: 1, memory_mb: unlimited, disk_mb: 100_000 })
  assert.deepEqual(plans.names, ['starter', 'pro', 'scale', 'enterprise', 'self-hosted', 'tiny'])
  assert.equal(plans.has('none'), false)
  assert.throws(() => plans.get('none'), { code: 'service_unavailable' })
})
