/** The answers of the workspaces page: everything that the page shows is there, with the same type; more is fine. */
import assert from 'node:assert/strict'
import test from 'node:test'
import { startPage } from '../support/page.ts'
import { pageExample } from '../support/page-example.ts'

/** The page's workspace object, by example. */
const workspace = {
  id: 'ws_a1b2c3d4',
  name: 'my-app',
  namespace: 'production',
  mode: 'permanent',
  image: 'node-20',
  ip: '10.0.0.15',
  uptime: 0,
  start_time: '2026-02-24T10:30:00Z',
  info: { status: 'running', is_running: true, user_requested_stop: false },
  access: { ssh_enabled: false },
  network: { allow_internet: true, ingress_ports: [], egress_ports: [], egress: [], public_access: false, ingress: [] },
  public_ports: [],
  resources: { cpus: 2, memory_mb: 2048, disk_size_mb: 1024 },
  created_at: '2026-02-24T10:30:00Z',
  updated_at: '2026-02-24T10:30:00Z',
}

const stats = { cpuUsage: 12.5, memoryUsage: 45.2, memoryUsedMB: 230, memoryTotalMB: 512, networkIn: '1.2 MB', networkOut: '0.5 MB' }

/** What the page adds to a workspace in its details; `connection` is null while there is no SSH server to connect to. */
const details = {
  ...workspace,
  token: 'eyJhbG...',
  stats,
  ssh: { ssh_enabled: true, ssh_id: 'abc123' },
  api_access: { terminal: true, preview: false },
  lifecycle: { mode: 'permanent', restart_policy: 'always', uptime: 3600 },
  config: pageExample.config,
}

/** What differs in kind, as `path: wanted, found`. */
function differences(wanted: unknown, found: unknown, path = ''): string[] {
  const kind = (value: unknown) => (value === null ? 'null' : Array.isArray(value) ? 'list' : typeof value)
  if (kind(wanted) !== kind(found)) return [`${path}: ${kind(wanted)}, ${kind(found)}`]
  if (kind(wanted) !== 'object') return []
  const inside = found as Record<string, unknown>
  return Object.entries(wanted as object).flatMap(([key, value]) => differences(value, inside[key], `${path}.${key}`))
}

const instant = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/

test('every endpoint answers in the shape of the page', async (t) => {
  const page = await startPage(t)
  const account = await page.as('pro')
  const answersLike = async (wanted: object, method: string, path: string, body?: unknown, status = 200) => {
    const answer = await account.call(method, path, body)
    assert.deepEqual([answer.status, differences(wanted, answer.body)], [status, []], `${method} ${path}: ${answer.text}`)
    assert.equal(answer.body.success, true)
    return answer.body
  }

  const created = (await answersLike({ success: true, workspace }, 'POST', '/workspace', pageExample, 201)).workspace
  assert.match(created.id, /^ws_[a-z0-9]{8,}$/)
  assert.match(created.ip, /^10\.\d+\.\d+\.\d+$/)
  for (const field of ['start_time', 'created_at', 'updated_at']) assert.match(created[field], instant, field)
  for (const field of ['name', 'namespace', 'mode', 'image', 'network', 'public_ports', 'resources'] as const) {
    assert.deepEqual(created[field], workspace[field], field)
  }
  const { status, is_running, user_requested_stop } = created.info
  assert.deepEqual({ status, is_running, user_requested_stop }, workspace.info)
  const path = `/workspace/${created.id}`

  await answersLike({ success: true, workspace }, 'GET', path)
  const listed = await answersLike({ success: true, workspaces: [], total: 42, page: 1, limit: 20 }, 'GET', '/workspace?page=1&limit=20&mode=permanent')
  assert.deepEqual(differences(workspace, listed.workspaces[0]), [])
  const detailed = (await answersLike({ success: true, workspace: details }, 'GET', `${path}/details`)).workspace
  assert.deepEqual(detailed.config, pageExample.config, 'the config as it was given')
  assert.equal(JSON.parse(Buffer.from(detailed.token.split('.')[1], 'base64url').toString()).sub, created.id, 'the token names the workspace')
  assert.match(detailed.stats.networkIn, /^\d+(\.\d)? (B|[kMGTP]B)$/)

  const renamed = await answersLike({ success: true, workspace }, 'PUT', path, { name: 'renamed-workspace' })
  assert.equal(renamed.workspace.name, 'renamed-workspace')
  assert.deepEqual(await answersLike({ stats }, 'GET', `${path}/stats`).then(({ stats: { memoryTotalMB } }) => memoryTotalMB), 2048)
  await answersLike({ logs: '' }, 'GET', `${path}/logs?source=boot&tail_lines=5`)
  const { images } = await answersLike({ images: [], categories: [] }, 'GET', '/workspace/images')
  assert.deepEqual(differences({ id: '', image: '', label: '', desc: '', category: '' }, images[0]), [])

  const stopped = await answersLike({ workspace }, 'POST', `${path}/stop`)
  assert.deepEqual([stopped.workspace.info.user_requested_stop, stopped.workspace.info.is_running, stopped.workspace.uptime], [true, false, 0])
  assert.equal((await account.call('GET', `${path}/stats`)).status, 409)
  await answersLike({ workspace: details }, 'GET', `${path}/details`)
  await answersLike({ workspace }, 'POST', `${path}/start`)
  await answersLike({ workspace }, 'POST', `${path}/restart`)
  assert.deepEqual(await answersLike({}, 'DELETE', path), { success: true, message: 'Workspace deleted' })
  assert.equal((await account.call('DELETE', path)).status, 404)
})

test('a workspace that was given only an image has the same shape, with null for a namespace it has not', async (t) => {
  const page = await startPage(t)
  const { body } = await page.call('POST', '/workspace', { image: 'busybox' })
  assert.deepEqual(differences({ ...workspace, namespace: null }, body.workspace), [])
  assert.deepEqual([body.workspace.mode, body.workspace.resources], ['temporary', { cpus: 1, memory_mb: 512, disk_size_mb: 512 }])
})

test("the quota of plan pro is the page's, and its usage is the sum over the workspaces", async (t) => {
  const page = await startPage(t)
  const account = await page.as('pro')
  const pro = {
    success: true,
    plan: 'pro',
    planLabel: 'Pro',
    limits: {
      cpus: { min: 1, max: 8, default: 1 },
      memory_mb: { min: 128, max: 4096, default: 512 },
      writable_size_mb: { min: 64, max: 51_200, default: 512 },
    },
    pool: { cpus: 16, memory_mb: 16_384, disk_mb: 51_200 },
    running_pool: { cpus: 8, memory_mb: 8192, disk_mb: 25_600 },
    maxSandboxes: 10,
  }
  const quota = async () => (await account.call('GET', '/workspace/quota')).body
  const nothing = { cpus: 0, memory_mb: 0, disk_mb: 0 }
  assert.deepEqual(await quota(), { ...pro, pool_usage: nothing, running_pool_usage: nothing, currentSandboxes: 0, canCreate: true, reason: null })

  const size = (disk: number) => ({ cpus: 2, memory_mb: 2048, writable_size_mb: disk })
  const first = await account.create(size(1024))
  await account.create(size(1024))
  await account.call('POST', `/workspace/${first}/stop`)
  const used = { pool_usage: { cpus: 4, memory_mb: 4096, disk_mb: 2048 }, running_pool_usage: { cpus: 2, memory_mb: 2048, disk_mb: 1024 } }
  assert.deepEqual(await quota(), { ...pro, ...used, currentSandboxes: 2, canCreate: true, reason: null })

  await account.create({ cpus: 6, memory_mb: 128, writable_size_mb: 64 })
  const full = await quota()
  assert.deepEqual([full.canCreate, typeof full.reason], [false, 'string'])
})
