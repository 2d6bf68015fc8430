import assert from 'node:assert/strict'
import test from 'node:test'
import { judgeSilentEnd, parseShutdown } from './exit.ts'

test('the reason QEMU gives decides the cause', () => {
  const causes = {
    'guest-shutdown': 'poweroff',
    'guest-reset': 'reset',
    'guest-panic': 'reset',
    'host-qmp-quit': 'quit',
    'host-signal': 'killed',
    'host-error': 'lost',
  }
  for (const [reason, cause] of Object.entries(causes)) assert.equal(parseShutdown({ guest: true, reason }).cause, cause, reason)
  for (const data of [{}, { reason: 7 }, { reason: 'toString' }, { reason: 'x'.repeat(9999) }]) {
    const { cause, detail } = parseShutdown(data)
    assert.equal(cause, 'lost')
    assert.ok(detail.length <= 64)
  }
})

test('a silent end is judged by what remains', () => {
  const end = { exitCode: null, signal: 'SIGKILL' as const }
  assert.equal(judgeSilentEnd({ wasKilled: true, end, stderr: '' }).cause, 'killed')
  assert.deepEqual(judgeSilentEnd({ wasKilled: false, end, stderr: '' }), { cause: 'killed', detail: 'killed by SIGKILL' })
  assert.deepEqual(judgeSilentEnd({ wasKilled: false, end: { exitCode: 1, signal: null }, stderr: 'no memory' }), {
    cause: 'lost',
    detail: 'exit code 1: no memory',
  })
  assert.equal(judgeSilentEnd({ wasKilled: false, end: { exitCode: 137, signal: null }, stderr: '' }).detail, 'killed by SIGKILL')
  assert.equal(judgeSilentEnd({ wasKilled: false, end: undefined, stderr: '' }).cause, 'lost')
})
