import assert from 'node:assert/strict'
import test from 'node:test'
import { type Evidence, judgeExit, parseShellCode, parseShutdown, unseenEnd } from './exit.ts'

test('the reason QEMU gives decides the cause', () => {
  const causes = {
    'guest-shutdown': 'poweroff',
    'guest-reset': 'reset',
    'guest-panic': 'reset',
    'host-qmp-quit': 'quit',
    'host-signal': 'killed',
    'host-error': 'crashed',
  }
  for (const [reason, cause] of Object.entries(causes)) assert.equal(parseShutdown({ guest: true, reason }).cause, cause, reason)
  for (const data of [{}, { reason: 7 }, { reason: 'toString' }, { reason: 'x'.repeat(9999) }]) {
    const { cause, detail } = parseShutdown(data)
    assert.equal(cause, 'lost')
    assert.ok(detail.length <= 64)
  }
})

test('the code of a shell is read as exit code or signal', () => {
  assert.deepEqual(parseShellCode(0), { exitCode: 0, signal: null })
  assert.deepEqual(parseShellCode(1), { exitCode: 1, signal: null })
  assert.deepEqual(parseShellCode(128 + 9), { exitCode: null, signal: 'SIGKILL' })
  assert.deepEqual(parseShellCode(128 + 11), { exitCode: null, signal: 'SIGSEGV' })
  assert.deepEqual(parseShellCode(255), { exitCode: 255, signal: null })
})

const judge = (evidence: Partial<Evidence>) => judgeExit({ wasKilled: false, end: unseenEnd, oomKills: 0, stderr: '', ...evidence })
const signalled = (signal: string) => ({ exitCode: null, signal })

test('a silent end is judged by what remains', () => {
  const expected: [Partial<Evidence>, string, string][] = [
    [{ wasKilled: true, end: signalled('SIGKILL') }, 'killed', 'killed on request'],
    [{ end: signalled('SIGKILL') }, 'killed', 'killed by SIGKILL'],
    [{ end: signalled('SIGSEGV') }, 'crashed', 'killed by SIGSEGV'],
    [{ end: signalled('SIGABRT'), oomKills: 1 }, 'crashed', 'killed by SIGABRT'],
    [{ end: signalled('SIGKILL'), oomKills: 1 }, 'oom', 'out of memory'],
    [{ oomKills: 1 }, 'oom', 'out of memory'],
    [{ end: signalled('SIGKILL'), oomKills: 1, wasKilled: true }, 'killed', 'killed on request'],
    [{ end: { exitCode: 1, signal: null }, stderr: 'no memory' }, 'crashed', 'exit code 1: no memory'],
    [{ end: { exitCode: 0, signal: null } }, 'reset', 'exit code 0'],
    [{ end: { exitCode: 0, signal: null }, stderr: 'qemu: terminating on signal 15 from pid 7' }, 'killed', 'killed by SIGTERM'],
    [{}, 'lost', 'nobody saw its end'],
  ]
  for (const [evidence, cause, detail] of expected) {
    const exit = judge(evidence)
    assert.deepEqual([exit.cause, exit.detail], [cause, detail], JSON.stringify(evidence))
    if (evidence.end?.signal) assert.equal(exit.signal, evidence.end.signal)
  }
})

test('what QEMU announced counts, with the signal it names', () => {
  const stderr = 'qemu-system-x86_64: terminating on signal 15 from pid 1 (test)'
  const end = { exitCode: 0, signal: null }
  assert.deepEqual(judge({ announced: { cause: 'killed', detail: 'host-signal' }, end, stderr }), {
    ...{ cause: 'killed', detail: 'host-signal', exitCode: 0, signal: 'SIGTERM' },
  })
  assert.equal(judge({ announced: { cause: 'reset', detail: 'guest-reset' }, end }).cause, 'reset')
  assert.equal(judge({ announced: { cause: 'lost', detail: 'unknown' }, end: signalled('SIGSEGV') }).cause, 'crashed')
})
