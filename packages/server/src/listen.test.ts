import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import test from 'node:test'
import fastify from 'fastify'
import { systemClock } from './lib/clock.ts'
import { listen } from './listen.ts'

const free = { host: '127.0.0.1', port: 0 }

test('every listener serves, and closes with the server', async () => {
  const api = fastify()
  api.get('/', async () => 'here')
  const urls = await listen(api, [free, free, { host: '::1', port: 0 }], systemClock)
  assert.equal(new Set(urls).size, 3)
  for (const url of urls) assert.equal(await (await fetch(url, { headers: { connection: 'close' } })).text(), 'here')
  await api.close()
  for (const url of urls) await assert.rejects(fetch(url))
})

test('an address that is still held by what just ended is waited for', async () => {
  const holder = createServer().listen(free)
  await once(holder, 'listening')
  const { port } = holder.address() as AddressInfo
  const api = fastify()
  const listening = listen(api, [{ host: '127.0.0.1', port }], systemClock)
  setImmediate(() => holder.close())
  assert.deepEqual(await listening, [`http://127.0.0.1:${port}`])
  await api.close()
})
