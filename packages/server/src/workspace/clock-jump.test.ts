import assert from 'node:assert/strict'
import test from 'node:test'
import { jumpBetween } from './clock-jump.ts'

const hour = 3_600_000
const at = (wallMs: number, bootMs: number, hostBootId = 'one') => ({ wallMs, bootMs, hostBootId })

test('time that passes is no jump, however long nobody looked', () => {
  for (const ms of [0, 500, hour, 365 * 24 * hour]) assert.equal(jumpBetween(at(1e12, 5_000), at(1e12 + ms, 5_000 + ms)), 0)
})

test('a clock that was set is told by how much, in both directions', () => {
  for (const ms of [hour, -hour, -24 * hour, 365 * 24 * hour, 10_001]) {
    assert.equal(jumpBetween(at(1e12, 5_000), at(1e12 + 500 + ms, 5_500)), ms)
  }
})

test('a correction of some seconds is left alone', () => {
  for (const ms of [1, -1, 10_000, -10_000]) assert.equal(jumpBetween(at(1e12, 0), at(1e12 + ms, 0)), 0)
})

test('over a restart of the host only a step back can be told', () => {
  assert.equal(jumpBetween(at(1e12, 9e9), at(1e12 + hour, 5_000, 'two')), 0)
  assert.equal(jumpBetween(at(1e12, 9e9), at(1e12 - hour, 5_000, 'two')), -hour)
})
