import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import test from 'node:test'
import { findProcess, findStartTicks, listSession, parseStat, readCommandLine } from './proc.ts'

const stat = (name: string, state: string) => `42 (${name}) ${state} 7 42 40 0 -1 4194560 1 2 3 4 100 50 6 7 20 0 9 0 123456 999 888 777`

test('a program name of blanks and parentheses does not shift the fields', () => {
  const expected = { pid: 42, ppid: 7, session: 40, cpuTicks: 150, startTicks: 123_456 }
  for (const name of ['qemu', 'a b) Z 1 2', ') R 1', '']) assert.deepEqual(parseStat(stat(name, 'S')), expected)
})

test('zombies and dead processes do not live', () => {
  for (const state of ['Z', 'X', 'x']) assert.equal(parseStat(stat('qemu', state)), undefined)
  for (const state of ['R', 'S', 'D', 'T', 't', 'I']) assert.ok(parseStat(stat('qemu', state)))
})

test('a process is found by pid, start and session while it lives', async () => {
  const child = spawn('sleep', ['1000'], { detached: true, stdio: 'ignore' })
  const pid = child.pid ?? 0
  const found = await findProcess(pid)
  assert.equal(found?.ppid, process.pid)
  assert.equal(found?.session, pid)
  assert.equal(found?.startTicks, await findStartTicks(pid))
  assert.deepEqual(await listSession(pid), [found])
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.equal(await findProcess(pid), undefined)
  assert.deepEqual(await readCommandLine(pid), [])
})
