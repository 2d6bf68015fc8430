/** Opens the listeners of the API. */
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Listener } from './config.ts'
import type { Clock } from './lib/clock.ts'

/** Time a start waits for an address that a daemon just ended, or a child it had not exec'ed yet, still holds, ms. */
const patienceMs = 5_000

/** Listens on every address; returns them as URLs, the first one's first. Rejects with `EADDRINUSE` when one stays taken. */
export async function listen(api: FastifyInstance, listeners: readonly Listener[], clock: Clock): Promise<string[]> {
  const [first, ...others] = listeners
  if (!first) return []
  const addresses = [await patiently(clock, () => api.listen({ ...first }))]
  for (const listener of others) addresses.push(await patiently(clock, () => listenToo(api, listener)))
  return addresses
}

/** Fastify listens once; connections of the other addresses are handed to the same HTTP server, limits and timeouts included. */
async function listenToo(api: FastifyInstance, { host, port }: Listener): Promise<string> {
  const door = createServer((socket) => api.server.emit('connection', socket))
  door.listen({ host, port })
  await once(door, 'listening')
  api.server.once('close', () => door.close())
  const { address, family, port: bound } = door.address() as AddressInfo
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${bound}`
}

async function patiently<T>(clock: Clock, open: () => Promise<T>): Promise<T> {
  const giveUpAt = clock.monotonic() + patienceMs
  for (;;) {
    try {
      return await open()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || clock.monotonic() >= giveUpAt) throw error
      await clock.sleep(100)
    }
  }
}
