/** Configurations and waiting for tests of the guest agent. */
import { randomBytes } from 'node:crypto'
import type { GuestConfiguration } from '../../packages/server/src/guest/guest.ts'
import { systemClock } from '../../packages/server/src/lib/clock.ts'

/** A configuration that every agent accepts. */
export function guestConfiguration(changes: Partial<GuestConfiguration> = {}): GuestConfiguration {
  return {
    bootId: 'boot_first',
    hostname: 'conformant',
    timeMs: systemClock.now(),
    entropy: randomBytes(64).toString('base64'),
    machineId: randomBytes(16).toString('hex'),
    network: { ip: '10.1.2.3', prefix: 32, gateway: '10.0.0.1', mac: '52:54:00:aa:bb:cc', mtu: 1400, nameservers: ['10.0.0.1', '1.1.1.1'] },
    start: null,
    ...changes,
  }
}

/** Asks until the answer is good; rejects with the last one after `ms`. */
export async function eventually<T>(ask: () => Promise<T>, isGood: (answer: T) => boolean, ms = 30_000): Promise<T> {
  const deadline = systemClock.monotonic() + ms
  for (;;) {
    const answer = await ask()
    if (isGood(answer)) return answer
    if (systemClock.monotonic() > deadline) throw new Error(`did not come true; the last answer was ${JSON.stringify(answer)?.slice(-1000)}`)
    await systemClock.sleep(20)
  }
}
