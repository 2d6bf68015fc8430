/** The snippets of the public API page, as they stand there: they compile against the types and do what the page says. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { clientId, clientSecret, startContractServer } from '../../../test/support/contract-server.ts'
import { Alcove } from './index.ts'

async function withWorkspaces(use: (ws: Alcove['workspaces'], server: Awaited<ReturnType<typeof startContractServer>>) => Promise<void>): Promise<void> {
  const server = await startContractServer()
  try {
    await use(new Alcove({ clientId, clientSecret, baseUrl: server.url }).workspaces, server)
  } finally {
    await server.close()
  }
}

test('the create snippet makes the workspace it describes', () =>
  withWorkspaces(async (ws, server) => {
    const workspace = await ws.create({
      name: 'my-app',
      image: 'node-20',
      namespace: 'production',
      mode: 'permanent',
      config: {
        cpus: 2,
        memory_mb: 2048,
        writable_size_mb: 1024,
        ttl: '1h',
        ttl_action: 'stop',
        remove_on_exit: false,
        restart_policy: 'always',
        max_restarts: 5,
        keep_logs: true,
        static_network: true,
        network_config: {
          allow_internet: true,
          public_ingress: false,
        },
        ssh_access: true,
        env: [
          { key: 'NODE_ENV', value: 'production' },
          { key: 'PORT', value: '3000' },
        ],
        cmd: ['node', 'server.js'],
        workloads: [],
        wait_for_init: true,
        proxy_assignment_id: 42,
      },
    })
    assert.equal(workspace.name, 'my-app')
    assert.equal(workspace.info.status, 'running')
    const body = server.requests[0]?.body as { config: { network_config: unknown; proxy_assignment_id: number } }
    assert.deepEqual(body.config.network_config, { allow_internet: true, public_ingress: false })
    assert.equal(body.config.proxy_assignment_id, 42)
  }))

test('the list snippet returns workspaces and their total count', () =>
  withWorkspaces(async (ws, server) => {
    server.addWorkspace()
    server.addWorkspace({ mode: 'temporary' })
    const result = await ws.list({
      page: 1,
      limit: 20,
      mode: 'permanent',
    })
    assert.equal(result.workspaces.length, 1) // WorkspaceResponse[]
    assert.equal(result.total, 1) // Total count
    assert.deepEqual(server.requests[0]?.query, { page: '1', limit: '20', mode: 'permanent' })
  }))

test('the get, details, update, delete and quota snippets return what their comments say', () =>
  withWorkspaces(async (ws, server) => {
    server.addWorkspace({ id: 'ws_a1b2c3d4' })
    const workspace = await ws.get('ws_a1b2c3d4')
    assert.equal(workspace.id, 'ws_a1b2c3d4')

    const details = await ws.details('ws_a1b2c3d4')
    // details.workspace includes: token, stats, ssh, api_access, lifecycle, config
    for (const key of ['token', 'stats', 'ssh', 'api_access', 'lifecycle', 'config']) assert.ok(key in details.workspace, key)

    const updated = await ws.update('ws_a1b2c3d4', {
      name: 'renamed-workspace',
    })
    assert.equal(updated.name, 'renamed-workspace')

    await ws.delete('ws_a1b2c3d4')
    assert.equal(server.workspaces.size, 0)

    const quota = await ws.quota()
    assert.equal(quota.plan, 'pro')
    assert.equal(quota.pool_usage.disk_mb, 2048)
  }))
