import assert from 'node:assert/strict'
import test from 'node:test'
import { watchSigns } from './supervise.ts'

/** A clock that a test moves; `tick` may come late. */
function handClock() {
  let now = 0
  const listeners = new Set<() => void>()
  return {
    monotonic: () => now,
    every(_ms: number, fn: () => void) {
      listeners.add(fn)
      return () => listeners.delete(fn)
    },
    tick(ms = 1000) {
      now += ms
      for (const listener of listeners) listener()
    },
  }
}

function watched() {
  const clock = handClock()
  const stalls: number[] = []
  return { clock, stalls, ...watchSigns(clock, (silentMs) => stalls.push(silentMs)) }
}

test('a daemon that gives signs is never taken for stalled', () => {
  const { clock, stalls, sign } = watched()
  for (let second = 0; second < 1000; second++) {
    sign()
    clock.tick()
  }
  assert.deepEqual(stalls, [])
})

test('a daemon that served and gives no sign for 10 s is stalled, and that is told once', () => {
  const { clock, stalls, sign } = watched()
  sign()
  for (let second = 1; second < 10; second++) clock.tick()
  assert.deepEqual(stalls, [])
  for (let second = 0; second < 10; second++) clock.tick()
  assert.deepEqual(stalls, [10_000])
})

test('a daemon that does not serve yet has 5 minutes', () => {
  const { clock, stalls } = watched()
  for (let second = 1; second < 300; second++) clock.tick()
  assert.deepEqual(stalls, [])
  clock.tick()
  assert.deepEqual(stalls, [300_000])
})

test('a supervisor that stood still itself does not count that against the daemon', () => {
  const { clock, stalls, sign } = watched()
  sign()
  for (let stop = 0; stop < 5; stop++) clock.tick(3_600_000)
  assert.deepEqual(stalls, [])
  sign()
  for (let second = 1; second < 10; second++) clock.tick()
  assert.deepEqual(stalls, [])
  clock.tick()
  assert.deepEqual(stalls, [10_000])
})
