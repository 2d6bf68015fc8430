import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import fc from 'fast-check'
import { ConfigError, ensureDataDir, loadConfig, renderConfig } from './config.ts'

const env = { HOME: '/home/somebody' }

async function directory(t: Pick<TestContext, 'after'>): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'config-'))
  await chmod(path, 0o755)
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

async function fileWith(t: Pick<TestContext, 'after'>, content: string): Promise<string> {
  const path = join(await directory(t), 'alcove.yaml')
  await writeFile(path, content)
  return path
}

/** Mistakes of a file, its own path replaced by `FILE`. */
async function mistakesOf(t: Pick<TestContext, 'after'>, content: string): Promise<string[]> {
  const configPath = await fileWith(t, content)
  const error = await loadConfig({ env, configPath }).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof ConfigError, 'no mistake was found')
  return error.mistakes.map((mistake) => mistake.replaceAll(configPath, 'FILE'))
}

test('without a file, flags or environment everything has its default', async () => {
  const config = await loadConfig({ env })
  assert.equal(config.dataDir, '/var/lib/alcove')
  assert.equal(config.database, 'sqlite:/var/lib/alcove/alcove.db')
  assert.equal(config.artifacts, '/home/somebody/.cache/alcove/artifacts.json')
  assert.equal(config.defaultPlan, 'self-hosted')
  assert.equal(config.failpoints.size, 0)
  assert.deepEqual(new Set(config.origins.values()), new Set(['default']))
})

test('a flag wins over the environment, that over the file, that over the default', async (t) => {
  const configPath = await fileWith(t, 'logLevel: warn\nlisten: 127.0.0.1:1\ndataDir: /srv/a\n')
  const config = await loadConfig({
    env: { ...env, ALCOVE_CONFIG: configPath, ALCOVE_LISTEN: '127.0.0.1:2, [::1]:2', ALCOVE_DATA_DIR: '/srv/b' },
    overrides: { dataDir: '/srv/c' },
  })
  assert.deepEqual(config.listen, [
    { host: '127.0.0.1', port: 2 },
    { host: '::1', port: 2 },
  ])
  assert.equal(config.database, 'sqlite:/srv/c/alcove.db')
  assert.deepEqual(
    ['dataDir', 'listen', 'logLevel', 'plans'].map((key) => config.origins.get(key)),
    ['flag --data-dir', 'environment ALCOVE_LISTEN', `${configPath}:1`, 'default'],
  )
})

test('every mistake is told with its line and key, all at once', async (t) => {
  const found = await mistakesOf(
    t,
    `logLevel: inof
listn: 127.0.0.1:80
defaultPlan: prp
listen:
  - nonsense
plans:
  pro:
    limits:
      cpus: { min: 1, max: 99 }
      memory: { max: 3 }
      writable_size_mb:
        min: 1024
    maxSandboxes: -1
  Bad Name: {}
outboundProxies:
  - { id: 1, label: a, host: proxy.example, port: 3128, protocol: http }
  - { id: 1, label: b, host: proxy.example, port: 70000, protocol: htp }
  - { id: 2 }
`,
  )
  const starts = [
    'FILE:1: logLevel must be one of trace, debug, info, warn, error, fatal, silent; did you mean info?',
    'FILE:2: listn is not a known key; did you mean listen?',
    'FILE:3: defaultPlan must be one of',
    'FILE:5: listen[0] must be HOST:PORT',
    'FILE:9: plans.pro.limits.cpus.max must be a whole number from 1 to 32',
    'FILE:10: plans.pro.limits.memory is not a known key; did you mean memory_mb?',
    'FILE:11: plans.pro.limits.writable_size_mb must have min ≤ default ≤ max; it has 1024, 512, 51200',
    'FILE:13: plans.pro.maxSandboxes must be a whole number',
    'FILE:14: plans.Bad Name is not a good name',
    'FILE:17: outboundProxies[1].port must be a whole number from 1 to 65535',
    'FILE:17: outboundProxies[1].protocol must be one of http, https, socks5; did you mean http?',
    'FILE:17: outboundProxies[1].id 1 is the id of another proxy already',
    'FILE:18: outboundProxies[2] needs port',
  ]
  for (const start of starts)
    assert.ok(
      found.some((mistake) => mistake.replace(' 3:', ' ').startsWith(start)),
      `${start}\nis not in\n${found.join('\n')}`,
    )
})

test('what is not YAML, not there or not a mapping is a mistake with its place', async (t) => {
  assert.match((await mistakesOf(t, 'listen: [\nlogLevel: x: y\n')).join('\n'), /^FILE:\d: /)
  assert.match((await mistakesOf(t, 'logLevel: info\nlogLevel: warn\n')).join('\n'), /^FILE:2: /)
  assert.match((await mistakesOf(t, '- a\n')).join('\n'), /^FILE:1: the file must be a mapping/)
  await assert.rejects(loadConfig({ env, configPath: '/nonexistent.yaml' }), /\/nonexistent.yaml: cannot be read/)
})

test('no text makes the reader fail in any other way than with mistakes', async (t) => {
  const path = join(await directory(t), 'any.yaml')
  const word = fc.constantFrom('listen', 'plans', 'pro', 'limits', 'cpus', ': ', '\n', '  ', '- ', '[', '}', '&a', '*a', '1', '"', '__proto__')
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.string(),
        fc.array(word).map((words) => words.join('')),
      ),
      async (content) => {
        await writeFile(path, content)
        await loadConfig({ env, configPath: path }).catch((error: unknown) => assert.ok(error instanceof ConfigError, String(error)))
      },
    ),
    { numRuns: 300 },
  )
})

test('failpoints are read in tests only', async () => {
  const failpoints = { ALCOVE_FAILPOINTS: 'network.tap.up=kill,disk.create=error' }
  await assert.rejects(loadConfig({ env: { ...env, ...failpoints } }), /ALCOVE_TEST=1/)
  const config = await loadConfig({ env: { ...env, ...failpoints, ALCOVE_TEST: '1' } })
  assert.deepEqual(Object.fromEntries(config.failpoints), { 'network.tap.up': 'kill', 'disk.create': 'error' })
  await assert.rejects(loadConfig({ env: { ...env, ALCOVE_FAILPOINTS: 'a=explode', ALCOVE_TEST: '1' } }), /a=explode must be STEP=ACTION/)
})

test('a stand-in for the guests is had in tests only', async () => {
  const stub = { ALCOVE_TEST_GUEST: 'stub' }
  assert.equal((await loadConfig({ env })).testGuest, null)
  await assert.rejects(loadConfig({ env: { ...env, ...stub } }), /ALCOVE_TEST=1/)
  await assert.rejects(loadConfig({ env: { ...env, ALCOVE_TEST: '1', ALCOVE_TEST_GUEST: 'other' } }), /other must be stub/)
  assert.equal((await loadConfig({ env: { ...env, ...stub, ALCOVE_TEST: '1' } })).testGuest, 'stub')
})

test('faults of the whole daemon are had in tests only', async () => {
  const faults = { ALCOVE_TEST_FAULTS: 'signals' }
  assert.equal((await loadConfig({ env })).testFaults, null)
  await assert.rejects(loadConfig({ env: { ...env, ...faults } }), /ALCOVE_TEST_FAULTS: is for tests only and needs ALCOVE_TEST=1/)
  await assert.rejects(loadConfig({ env: { ...env, ALCOVE_TEST: '1', ALCOVE_TEST_FAULTS: 'other' } }), /other must be signals/)
  assert.equal((await loadConfig({ env: { ...env, ...faults, ALCOVE_TEST: '1' } })).testFaults, 'signals')
})

test('a data directory that sockets or VM users cannot use is refused', async (t) => {
  const closed = join(await directory(t), 'closed')
  await mkdir(closed, { mode: 0o700 })
  await assert.rejects(loadConfig({ env, overrides: { dataDir: `${closed}/data` } }), /flag --data-dir: dataDir .* other users may not enter/)
  await assert.rejects(loadConfig({ env, overrides: { dataDir: `/${'x'.repeat(60)}` } }), /longer than 48 bytes/)
  await ensureDataDir(closed)
  assert.equal((await stat(closed)).mode & 0o777, 0o711)
  await loadConfig({ env, overrides: { dataDir: `${closed}/data` } })
})

test('config show prints every value with its origin and no secret', async (t) => {
  const configPath = await fileWith(t, 'outboundProxies:\n  - { id: 1, label: a, host: h, port: 1, protocol: http, username: u, password: hunter2 }\n')
  const config = await loadConfig({ env: { ...env, ALCOVE_DATABASE_URL: 'postgres://alcove:s3cret@db/alcove?password=s3cret' }, configPath })
  const shown = renderConfig(config)
  assert.ok(!/hunter2|s3cret/.test(shown), shown)
  assert.match(shown, /^database = "postgres:\/\/alcove:\*+@db\/alcove\?password=\*+" {2}# environment ALCOVE_DATABASE_URL$/m)
  assert.match(shown, /^outboundProxies = .*# .*alcove\.yaml:1$/m)
  assert.match(shown, /^logLevel = "info" {2}# default$/m)
})

test('builds see proxies and certificates of the environment, and nothing else of it', async () => {
  const proxies = { https_proxy: 'http://proxy:3128', NO_PROXY: 'localhost', npm_config_cafile: '/etc/ca.pem' }
  const { buildEnv } = await loadConfig({ env: { ...env, ...proxies, AWS_SECRET_ACCESS_KEY: 'secret', npm_config__auth: 'secret', HTTP_PROXY: '' } })
  assert.deepEqual(buildEnv, proxies)
})
