/** A server under test, alone in its process. `bare BYTES` answers that many bytes with node:http; `alcove COUNT` serves COUNT workspaces. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { newId } from '../packages/server/src/lib/ids.ts'
import { slotNames } from '../packages/server/src/network/slots.ts'
import * as slots from '../packages/server/src/store/slots.ts'
import * as workspaces from '../packages/server/src/store/workspaces.ts'
import { fillDefaults } from '../packages/server/src/workspace/config-defaults.ts'
import { startApiWorld } from '../test/support/api-world.ts'

const [kind, amount] = process.argv.slice(2)
const tell = (message: unknown) => process.send?.(message)

if (kind === 'bare') {
  const body = Buffer.alloc(Number(amount), 'x')
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json; charset=utf-8', 'content-length': body.length }).end(body)
  })
  server.listen(0, '127.0.0.1', () => tell({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }))
} else {
  const { baseUrl, world, plane } = await startApiWorld({ after: () => {} })
  const key = await world.credentials('bench', 'enterprise')
  const limits = plane.control.plans.get('enterprise').limits
  let last = ''
  await world.store.transaction(async (tx) => {
    for (let index = 0; index < Number(amount); index++) {
      last = newId('ws')
      const config = fillDefaults({ env: [{ key: 'NODE_ENV', value: 'production' }], cmd: ['node', 'server.js'] }, limits)
      const amounts = { cpus: config.cpus, memory_mb: config.memory_mb, disk_mb: config.writable_size_mb }
      const times = { started_at: Date.now(), created_at: Date.now() - 1000 * index }
      const rest = { boot_id: newId('boot'), booted_config: config, timings: { launch: 100.5, network: 80.1, agent: 900.4, init: 200.2 } }
      await workspaces.insert(tx, {
        id: last,
        account_id: key.accountId,
        name: `app-${index}`,
        mode: 'temporary',
        image: 'node-20',
        image_id: 'node-20',
        ...amounts,
        config,
        desired: 'running',
        status: 'running',
        ...rest,
        ...times,
      })
      await slots.allocate(tx, last, Date.now(), { restMs: 0 })
    }
  })
  if (!slotNames(1).ip) throw new Error('no address')
  tell({ url: baseUrl, id: last, headers: { 'x-client-id': key.clientId, 'x-client-secret': key.clientSecret } })
}
process.on('SIGINT', () => process.exit(0))
process.on('message', (message) => {
  if (message === 'memory') tell({ rss: process.memoryUsage.rss() })
})
