import assert from 'node:assert/strict'
import test from 'node:test'
import type { VmExit } from '../vmm/driver.ts'
import { judgeEnd } from './judge-end.ts'

const exit = (cause: VmExit['cause'], more: Partial<VmExit> = {}): VmExit => ({ cause, detail: 'as seen', exitCode: null, signal: null, ...more })
const causeOf = (console: string) => judgeEnd(exit('reset'), console, undefined).cause
const up = 'alcove: agent 1 is up, waiting for its configuration\n'
const panic = '[    1.0] Kernel panic - not syncing: VFS: Unable to mount root fs\n[    1.1] ---[ end Kernel panic ]---\n'
const restart = '[    9.0] reboot: Restarting system\n'
const powerOff = `alcove: powering off\n${restart}`

test('a reset is told by what the console ends with', () => {
  const told = judgeEnd(exit('reset', { exitCode: 0 }), up + panic, undefined)
  const reason = 'The guest kernel panicked: not syncing: VFS: Unable to mount root fs'
  assert.deepEqual(told, { reason, cause: 'guest_panic', exitCode: 0, signal: null, failure: 'guest_panic' })
  assert.equal(causeOf(up + restart), 'guest_reboot')
  assert.equal(causeOf(up + powerOff), 'guest_poweroff')
  assert.equal(causeOf(`${up}[    9.0] reboot: System halted\n`), 'guest_poweroff')
  assert.equal(causeOf(up), 'guest_panic', 'a triple fault says nothing')
  assert.equal(causeOf(''), 'guest_reboot', 'no log, no accusation')
})

test('earlier boots in the log do not count', () => {
  assert.equal(causeOf(up + panic + up + restart), 'guest_reboot')
  assert.equal(causeOf(up + powerOff + up + restart), 'guest_reboot')
  assert.equal(causeOf(up + powerOff + up), 'guest_panic')
  assert.equal(causeOf(up + restart + up + powerOff), 'guest_poweroff')
  assert.equal(causeOf(up + restart + up + panic), 'guest_panic')
})

test('each way to end has its cause and its failure', () => {
  const failures = {
    poweroff: ['guest_poweroff', null],
    killed: ['vmm_killed', 'vm_exited'],
    quit: ['vmm_killed', 'vm_exited'],
    crashed: ['vmm_crashed', 'vm_exited'],
    oom: ['oom', 'vm_oom'],
    host_reboot: ['host_reboot', 'host_reboot'],
    lost: ['lost', 'vm_exited'],
  } as const
  for (const [cause, expected] of Object.entries(failures)) {
    const end = judgeEnd(exit(cause as VmExit['cause'], { signal: 'SIGSEGV' }), panic, undefined)
    assert.deepEqual([end.cause, end.failure, end.signal], [...expected, 'SIGSEGV'])
  }
  const ended = judgeEnd(exit('killed'), '', 'no disk')
  assert.deepEqual([ended.cause, ended.failure, ended.reason], ['init_failed', 'init_failed', 'no disk'])
})
