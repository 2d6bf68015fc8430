/** What every guest agent does, the real one in a VM and the fake. One agent serves the whole suite, in this order. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { connectGuest, GuestRefusedError } from '../../packages/server/src/guest/client.ts'
import type { GuestClient } from '../../packages/server/src/guest/guest.ts'
import { systemClock } from '../../packages/server/src/lib/clock.ts'
import { eventually, guestConfiguration } from '../support/guest-configuration.ts'

/** An agent under test; not configured yet. */
export interface GuestUnderTest {
  readonly socketPath: string
}

/** Runs the suite. Ends with the agent shut down. */
export async function guestConformance(t: TestContext, { socketPath }: GuestUnderTest): Promise<void> {
  const connect = () => connectGuest(socketPath, { signal: systemClock.deadline(60_000) })
  const configuration = guestConfiguration({ start: { argv: ['sleep', '1000'], env: ['A=b'], cwd: '/', user: 'root' } })
  let guest: GuestClient = await connect()

  await t.test('before configure it waits and knows its machine', async () => {
    const info = await guest.info()
    assert.equal(info.bootId, '')
    assert.equal(info.phase, 'waiting')
    assert.equal(info.start.state, 'none')
    assert.ok(info.cpus >= 1 && info.memoryTotalBytes > 64 * 1024 * 1024 && info.uptimeSeconds >= 0 && info.kernelRelease !== '')
    const stats = await guest.stats()
    assert.equal(stats.diskTotalBytes, 0)
    assert.ok(stats.memoryUsedBytes < stats.memoryTotalBytes && stats.cpuBusyMs <= stats.cpuTotalMs)
  })

  await t.test('configure answers when everything is up', async () => {
    const info = await guest.configure(configuration)
    assert.equal(info.message, '')
    assert.equal(info.phase, 'ready')
    assert.equal(info.bootId, configuration.bootId)
    assert.equal(info.hostname, configuration.hostname)
    assert.equal(info.start.state, 'running')
    assert.ok((await guest.stats()).diskTotalBytes > 0)
  })

  await t.test('the same boot again changes nothing', async () => {
    const before = await guest.info()
    const after = await guest.configure({ ...configuration, hostname: 'other' })
    assert.equal(after.hostname, configuration.hostname)
    assert.equal(after.start.pid, before.start.pid)
  })

  await t.test('another boot is refused', async () => {
    await assert.rejects(guest.configure({ ...configuration, bootId: 'boot_second' }), (error) => error instanceof GuestRefusedError && error.status === 409)
    assert.equal((await guest.info()).bootId, configuration.bootId)
  })

  await t.test('the clock is set on request, to a time that can be', async () => {
    await guest.setTime(systemClock.now())
    await guest.info()
  })

  await t.test('calls share one connection', async () => {
    const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => (i % 2 ? guest.info() : guest.stats())))
    assert.equal(answers.length, 40)
  })

  await t.test('what was configured outlives the connection', async () => {
    guest.close()
    await assert.rejects(guest.info())
    guest = await connect()
    assert.equal((await guest.info()).bootId, configuration.bootId)
  })

  await t.test('the newest connection wins when another was left half open', async () => {
    for (let round = 0; round < 20; round++) {
      const pending = guest.stats().catch(() => undefined)
      guest.close()
      guest = await connect()
      await pending
      assert.equal((await guest.info()).bootId, configuration.bootId)
    }
  })

  await t.test('shutdown is accepted and ends it', async () => {
    await guest.shutdown(1000)
    await eventually(
      () =>
        guest.info().then(
          () => 'answers',
          () => 'gone',
        ),
      (state) => state === 'gone',
    )
    guest.close()
  })
}
