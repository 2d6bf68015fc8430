import assert from 'node:assert/strict'
import test from 'node:test'
import { Mailboxes, Preempted } from './mailbox.ts'

test('turns of one workspace run one after the other, those of two side by side', async () => {
  const mailboxes = new Mailboxes()
  const running = new Map<string, number>()
  let most = 0
  const turn = (id: string) => async () => {
    running.set(id, (running.get(id) ?? 0) + 1)
    assert.equal(running.get(id), 1)
    most = Math.max(
      most,
      [...running.values()].reduce((a, b) => a + b),
    )
    await new Promise(setImmediate)
    running.set(id, 0)
  }
  await Promise.all([
    mailboxes.run('a', 'start', turn('a')),
    mailboxes.run('a', 'stop', turn('a')),
    mailboxes.run('b', 'start', turn('b')),
    mailboxes.run('a', 'start', turn('a')),
  ])
  assert.equal(most, 2)
  assert.equal(mailboxes.current('a'), undefined)
})

test('the same action joins the last turn, but not one behind which something else waits', async () => {
  const mailboxes = new Mailboxes()
  let starts = 0
  const start = async () => {
    await new Promise(setImmediate)
    starts++
    return starts
  }
  const first = mailboxes.run('a', 'start', start)
  const joined = mailboxes.run('a', 'start', start)
  const stop = mailboxes.run('a', 'stop', async () => 0)
  const second = mailboxes.run('a', 'start', start)
  assert.deepEqual(await Promise.all([first, joined, stop, second]), [1, 1, 0, 2])
})

test('a pre-empting action aborts what runs and what waits, then has its turn', async () => {
  const mailboxes = new Mailboxes()
  const order: string[] = []
  const start = mailboxes.run('a', 'start', async (signal) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
    order.push('unwound')
    signal.throwIfAborted()
  })
  const waiting = mailboxes.run('a', 'restart', async () => order.push('restart'))
  const removed = mailboxes.run('a', 'delete', async () => order.push('delete'), { preempts: ['start', 'restart'] })
  await assert.rejects(start, Preempted)
  await assert.rejects(waiting, Preempted)
  await removed
  assert.deepEqual(order, ['unwound', 'delete'])
})

test('a failing turn does not stop the ones behind it', async () => {
  const mailboxes = new Mailboxes()
  const failing = mailboxes.run('a', 'start', async () => {
    throw new Error('no')
  })
  const next = mailboxes.run('a', 'stop', async () => 'done')
  await assert.rejects(failing, /no/)
  assert.equal(await next, 'done')
})

test('a workspace with too many waiting turns refuses more and names the running one', async () => {
  const mailboxes = new Mailboxes()
  const { promise, resolve } = Promise.withResolvers<void>()
  const all = [mailboxes.run('a', 'stop', () => promise)]
  for (let i = 0; i < 16; i++) all.push(mailboxes.run('a', 'exited', async () => {}, { joins: false }))
  assert.throws(() => mailboxes.run('a', 'start', async () => {}), { code: 'conflict', details: { action: 'stop' } })
  resolve()
  await Promise.all(all)
})
