/** The workspaces page of the public API, held against the API as it is composed: every row of its tables, every rule beside them. */
import assert from 'node:assert/strict'
import test, { type TestContext } from 'node:test'
import { type ErrorCode, httpStatus } from '@alcove/contract'
import { AlcoveError } from '../../packages/server/src/lib/fail.ts'
import { type Page, startPage } from '../support/page.ts'
import { configRows, createRows, listRows } from '../support/page-rows.ts'

const isRefusal = ({ status, body }: Awaited<ReturnType<Page['call']>>, code: ErrorCode, about: string) => {
  assert.deepEqual([status, body.success, body.error, body.code], [httpStatus(code), false, code, code], `${about}: ${JSON.stringify(body)}`)
  assert.ok(body.message.length > 10 && /^req_/.test(body.requestId), about)
}
const label = (field: string, value: unknown) => `${field} = ${JSON.stringify(value)?.slice(0, 80)}`

test('each config field has its default, takes its range, and refuses the rest on create and update alike', async (t) => {
  const page = await startPage(t)
  const bare = await page.create({})
  for (const { field, preset, taken, refused } of configRows) {
    assert.deepEqual((await page.config(bare))[field], preset, `default of ${field}`)
    for (const [given, stored = given] of taken) {
      const id = await page.create({ [field]: given })
      assert.deepEqual((await page.config(id))[field], stored, label(field, given))
      await page.call('DELETE', `/workspace/${id}`)
    }
    for (const value of refused) {
      const answers = [
        await page.call('POST', '/workspace', { image: 'busybox', config: { [field]: value } }),
        await page.call('PUT', `/workspace/${bare}`, { config: { [field]: value } }),
      ]
      for (const answer of answers) {
        isRefusal(answer, 'INVALID_CONFIG', label(field, value))
        assert.match(String(answer.body.details.field), new RegExp(`^config\\.${field}(\\.|$)`), label(field, value))
        assert.ok(answer.body.details.allowed !== undefined, label(field, value))
      }
    }
  }
  assert.equal(await page.total(), 1, 'a refused create leaves nothing behind')
})

test('each field of a create has its default, takes its range, and refuses the rest with its code', async (t) => {
  const page = await startPage(t)
  for (const { field, code, preset, taken, refused } of createRows) {
    if (preset !== undefined) assert.deepEqual((await page.call('POST', '/workspace', { image: 'busybox' })).body.workspace[field], preset, field)
    for (const [given, stored = given] of taken) {
      const { status, body } = await page.call('POST', '/workspace', { image: 'busybox', [field]: given })
      assert.deepEqual([status, body.workspace?.[field]], [201, stored], label(field, given))
    }
    const before = await page.total()
    for (const value of refused) isRefusal(await page.call('POST', '/workspace', { image: 'busybox', [field]: value }), code as ErrorCode, label(field, value))
    assert.equal(await page.total(), before)
  }
  isRefusal(await page.call('POST', '/workspace', {}), 'INVALID_IMAGE', 'no image')
  isRefusal(await page.call('POST', '/workspace'), 'INVALID_IMAGE', 'empty body')
  const { body } = await page.call('POST', '/workspace', { image: 'busybox' })
  assert.match(body.workspace.name, /^[a-z]+-[a-z]+-\d+$/, 'a name is generated')
})

test('config must be an object; unknown keys in it are refused with the nearest known name, at the top level tolerated', async (t) => {
  const page = await startPage(t)
  for (const config of [null, [], 'x', 1, true])
    isRefusal(await page.call('POST', '/workspace', { image: 'busybox', config }), 'INVALID_CONFIG', label('config', config))
  for (const [key, suggestion] of [
    ['cpu', 'cpus'],
    ['memoryMb', 'memory_mb'],
    ['restartPolicy', 'restart_policy'],
    ['wait_for_int', 'wait_for_init'],
  ] as const) {
    const answer = await page.call('POST', '/workspace', { image: 'busybox', config: { [key]: 1 } })
    isRefusal(answer, 'INVALID_CONFIG', key)
    assert.deepEqual([answer.body.details.field, answer.body.details.suggestion], [`config.${key}`, suggestion])
  }
  isRefusal(await page.call('POST', '/workspace', { image: 'busybox', config: { zzzzzzzzzz: 1 } }), 'INVALID_CONFIG', 'nothing near')
  const tolerated = { image: 'busybox', vcpus: 2, ram_mb: 512, disk_mb: 1, region: 'eu', wait_ready: false, slug: 'a', config: {} }
  assert.equal((await page.call('POST', '/workspace', tolerated)).status, 201)
  const same = { image: 'busybox', config: { disk_size_mb: 128, allow_internet: false } }
  const { body } = await page.call('POST', '/workspace', same)
  assert.deepEqual([body.workspace.resources.disk_size_mb, body.workspace.network.allow_internet], [128, false])
})

test('each query parameter of a list is checked; pages are newest first, stable and at most 100 long', async (t) => {
  const page = await startPage(t)
  const made: string[] = []
  for (const mode of ['permanent', 'temporary', 'permanent', 'temporary', 'permanent']) {
    made.unshift((await page.call('POST', '/workspace', { image: 'busybox', mode })).body.workspace.id)
  }
  for (const { parameter, taken, refused } of listRows) {
    for (const value of taken) {
      const { status, body } = await page.call('GET', `/workspace?${parameter}=${value}`)
      assert.deepEqual([status, Object.keys(body).sort()], [200, ['limit', 'page', 'success', 'total', 'workspaces']], `${parameter}=${value}`)
      if (parameter === 'limit') assert.equal(body.limit, Math.min(Number(value), 100))
      if (parameter === 'page') assert.equal(body.page, Number(value))
      if (parameter === 'mode') assert.ok(body.total > 0 && body.workspaces.every((workspace: { mode: string }) => workspace.mode === value))
    }
    for (const value of refused) isRefusal(await page.call('GET', `/workspace?${parameter}=${value}`), 'validation_error', `${parameter}=${value}`)
  }
  const { body } = await page.call('GET', '/workspace')
  assert.deepEqual([body.page, body.limit, body.total], [1, 20, 5])
  const ids = async (query: string): Promise<string[]> => (await page.call('GET', `/workspace?${query}`)).body.workspaces.map(({ id }: { id: string }) => id)
  const pages = await ids('limit=2&page=1')
  // What is made or removed on an earlier page must not be told twice; what stays keeps its order.
  assert.deepEqual([...pages, ...(await ids('limit=2&page=2')), ...(await ids('limit=2&page=3'))], made)
  assert.deepEqual(await ids('limit=2&page=4'), [])
})

test('update takes name and config only, merges, and says what waits for the next start', async (t) => {
  const page = await startPage(t)
  const id = await page.create({ cpus: 2, env: ['A=1'], ttl: '1h' })
  const path = `/workspace/${id}`
  for (const field of ['image', 'mode', 'namespace', 'slug', 'logo', 'status', 'id', 'nam'])
    isRefusal(await page.call('PUT', path, { [field]: 'x' }), 'validation_error', field)
  for (const name of ['', 1, null, []]) isRefusal(await page.call('PUT', path, { name }), 'validation_error', label('name', name))
  isRefusal(await page.call('PUT', path, { name: 'x'.repeat(256) }), 'INVALID_NAME_LENGTH', 'name')
  for (const config of [null, [], 'x']) isRefusal(await page.call('PUT', path, { config }), 'INVALID_CONFIG', label('config', config))
  isRefusal(await page.call('PUT', path, { config: { writable_size_mb: 64 } }), 'INVALID_CONFIG', 'a disk does not shrink')
  const before = await page.config(id)
  const named = await page.call('PUT', path, { name: 'renamed-workspace' })
  assert.deepEqual([named.status, named.body.workspace.name, named.body.restart_required], [200, 'renamed-workspace', false])
  assert.deepEqual(await page.config(id), before)
  const changed = await page.call('PUT', path, { config: { memory_mb: 1024, ttl_action: 'remove' } })
  assert.deepEqual([changed.body.workspace.resources.memory_mb, changed.body.restart_required], [1024, true])
  assert.deepEqual(await page.config(id), { ...before, memory_mb: 1024, ttl_action: 'remove' })
  assert.equal((await page.call('POST', `${path}/restart`)).body.workspace.info.restart_required, undefined)
  assert.equal((await page.call('PUT', path)).status, 200, 'an empty body changes nothing')
})

test('each error of the page has its status, and the checks go in their order', async (t) => {
  const tiny = { cpus: 2, memory_mb: 1024, disk_mb: 1024 }
  const page = await startPage(t, {
    few: { maxSandboxes: 1, limits: { cpus: { max: 2 } }, pool: tiny },
    owner: { pool: tiny },
    runner: { running_pool: tiny },
  })
  const refused: [plan: string, first: object | undefined, body: object, code: ErrorCode][] = [
    ['few', undefined, { image: 'nothing', config: { cpus: 3 } }, 'INVALID_IMAGE'],
    ['few', undefined, { image: 'nothing', config: { cpus: 33 } }, 'INVALID_CONFIG'],
    ['few', { config: { cpus: 2 } }, { image: 'busybox', config: { cpus: 3 } }, 'RESOURCE_NOT_ALLOWED'],
    ['few', { config: { cpus: 2 } }, { image: 'busybox' }, 'SANDBOX_LIMIT_REACHED'],
    ['owner', { config: { cpus: 2 } }, { image: 'busybox' }, 'POOL_LIMIT_REACHED'],
    ['owner', { config: { memory_mb: 1024 } }, { image: 'busybox' }, 'POOL_LIMIT_REACHED'],
    ['owner', { config: { writable_size_mb: 1024 } }, { image: 'busybox' }, 'POOL_LIMIT_REACHED'],
    ['runner', { config: { cpus: 2 } }, { image: 'busybox' }, 'RUNNING_POOL_REACHED'],
  ]
  for (const [plan, first, body, code] of refused) {
    const account = await page.as(plan)
    if (first) assert.equal((await account.call('POST', '/workspace', { image: 'busybox', ...first })).status, 201)
    const answer = await account.call('POST', '/workspace', body)
    isRefusal(answer, code, plan)
    if (httpStatus(code) === 402) assert.deepEqual([typeof answer.body.current, typeof answer.body.max], ['number', 'number'], 'limit errors tell numbers')
    assert.equal(await account.total(), first ? 1 : 0)
  }
  for (const headers of [{}, { 'x-client-id': 'ck_x', 'x-client-secret': 'y' }, { authorization: 'Bearer x' }]) {
    isRefusal(await page.call('POST', '/workspace', { image: 'busybox' }, headers), 'MISSING_USER_ID', JSON.stringify(headers))
  }
  for (const [thrown, code] of [
    [new Error('the disk could not be made'), 'CREATE_FAILED'],
    [new AlcoveError('VM_UNAVAILABLE', { message: 'no virtual machine now' }), 'VM_UNAVAILABLE'],
  ] as const) {
    page.world.host.knobs.onBoot = () => Promise.reject(thrown)
    const answer = await page.call('POST', '/workspace', { image: 'busybox' })
    isRefusal(answer, code, code)
    assert.match(answer.body.message, new RegExp(thrown.message))
    page.world.host.knobs.onBoot = undefined
  }
  assert.equal(await page.total(), 0)
  assert.deepEqual([...page.world.host.traces].length, 6, 'only what was created is on the host')
})

test('ids that are not in the account are 404 with one body, whatever they look like', async (t: TestContext) => {
  const page = await startPage(t)
  const foreign = await (await page.as('pro')).create({})
  const odd = [
    'ws_aaaaaaaaaaaa',
    'a',
    '%00',
    '..%2f..%2fetc',
    '%2e%2e',
    'ws_%F0%9F%98%80',
    'x'.repeat(128),
    'x'.repeat(2000),
    'a%20b',
    `${foreign}%00`,
    foreign.toUpperCase(),
  ]
  const messages = new Set<string>()
  for (const id of [foreign, ...odd]) {
    for (const [method, rest] of [
      ['GET', ''],
      ['GET', '/details'],
      ['PUT', ''],
      ['DELETE', ''],
      ['POST', '/start'],
      ['POST', '/stop'],
      ['POST', '/restart'],
      ['GET', '/logs'],
      ['GET', '/stats'],
    ] as const) {
      const answer = await page.call(method, `/workspace/${id}${rest}`)
      isRefusal(answer, 'not_found', `${method} ${id.slice(0, 40)}${rest}`)
      messages.add(answer.body.message)
    }
  }
  assert.equal(messages.size, 1, [...messages].join('\n'))
})
