import assert from 'node:assert/strict'
import test from 'node:test'
import { judgeEnd } from './judge-end.ts'

const reset = { cause: 'reset', detail: 'guest-reset' } as const
const panic = '[    1.0] Kernel panic - not syncing: VFS: Unable to mount root fs\n[    1.1] ---[ end Kernel panic ]---\n'
const orderly = '[    9.0] reboot: Restarting system\n'

test('a reset is a panic only when the console ends with one', () => {
  assert.deepEqual(judgeEnd(reset, panic, undefined), {
    reason: 'The guest kernel panicked: not syncing: VFS: Unable to mount root fs',
    failure: 'guest_panic',
  })
  assert.equal(judgeEnd(reset, '', undefined).failure, null)
  assert.equal(judgeEnd(reset, `${panic}${orderly}`, undefined).failure, null, 'an earlier boot panicked, this one ended in order')
  assert.equal(judgeEnd(reset, `${orderly}${panic}`, undefined).failure, 'guest_panic')
})

test('a VM that was killed or vanished is a failure, one that we ended says why', () => {
  assert.deepEqual(judgeEnd({ cause: 'killed', detail: 'killed by SIGSEGV' }, orderly, undefined).failure, 'vm_exited')
  assert.deepEqual(judgeEnd({ cause: 'lost', detail: 'gone' }, orderly, undefined).failure, 'vm_exited')
  assert.deepEqual(judgeEnd({ cause: 'killed', detail: 'killed on request' }, '', 'no disk'), { reason: 'no disk', failure: 'init_failed' })
})
