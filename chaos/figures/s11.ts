/**
 * S11: a unique canary for each kind of secret, a life with everything in it, and then a look into every place where a secret might end.
 * The environment of a workspace is a part of its stored configuration: its row has it, and the record of its boot, from which a VM is taken
 * up again; both are files of root that nobody else may read. Arguments of commands and idempotency keys are no secrets.
 */
import { randomBytes } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { qemuProcesses } from '../../test/support/daemon-traces.ts'
import { staying } from '../../test/support/guest-log.ts'
import { type Answer, type Api, createApi } from '../api.ts'
import { auditLines } from '../audit.ts'
import { type Canaries, type Sighting, scanFiles, scanProcesses, scanRows, scanText } from '../canaries.ts'
import { type Context, type Figure, type Result, result } from '../figure.ts'
import { untilEach } from '../until.ts'
import { smallest, type World } from '../world.ts'

/** Longest that a VM under TCG takes to reach a status, ms. */
const moveMs = 180_000

/** Where a secret belongs: places by pattern. The control is told by the guest itself, so its log has it. */
const belongs: Readonly<Record<string, RegExp>> = {
  clientSecret: /^file credentials\.json$/,
  tokenKey: /^file token\.key$/,
  proxyPassword: /^$/,
  wrongSecret: /^$/,
  token: /^$/,
  env: /^file (alcove\.db(-wal)?|vm\/ws_\w+\/(handle\.json|run\/boot_\w+\/spec\.json))$|^row workspaces\.(config|booted_config)$|^own details$/,
}
/** What the control must be found in; it is an environment value, too. */
const controlPlace = /^file vm\/ws_\w+\/logs\/cmd\.log$/

export const figure: Figure = {
  id: 'S11',
  title: 'secrets are nowhere but where they belong (count: workspaces)',
  ci: { count: 1 },
  full: { count: 5 },
  run: runFigure,
}

async function runFigure(context: Context): Promise<Result> {
  const canary = () => `canary${randomBytes(16).toString('hex')}`
  const proxyPassword = canary()
  await using world = await context.world({
    driver: 'real',
    tenants: 1,
    config: {
      logLevel: 'debug',
      outboundProxies: [{ id: 1, label: 'proxy', host: '192.0.2.1', port: 3128, protocol: 'http', username: 'user', password: proxyPassword }],
    },
    // A daemon that may dump core: its virtual machines may not all the same.
    wrap: ['prlimit', '--core=unlimited'],
  })
  const key = JSON.parse(await readFile(join(world.dataDir, 'credentials.json'), 'utf8'))
  const told: Told = { answers: [] }
  const owner = telling(createApi(world.url, 'default', key), 'own', told)
  const secrets: Record<string, string> = {
    ...{ proxyPassword, clientSecret: key.clientSecret, tokenKey: (await readFile(join(world.dataDir, 'token.key'), 'utf8')).trim() },
    ...{ env: canary(), control: canary(), wrongSecret: canary() },
  }
  const ids: string[] = []
  for (let index = 0; index < context.count; index++) ids.push(await live(world, owner, secrets, index))
  await errors(world, owner, told, ids, secrets)

  const violations: string[] = []
  const first = await look(world, told, secrets)
  violations.push(...judge(first.sightings), ...first.unseen, ...(await openFiles(world)), ...(await dumpable(world)))
  for (const id of ids) await must(owner.send('DELETE', `/workspace/${id}`, { timeoutMs: moveMs }), [200, 202, 204])
  violations.push(...(await world.converge()).left)
  const { control: _, ...others } = secrets
  const last = await look(world, told, others)
  violations.push(...judge(last.sightings), ...last.unseen)

  const isSeen = first.sightings.some(({ canary: name, place }) => name === 'control' && controlPlace.test(place))
  const isInUse = first.sightings.some(({ canary: name, place }) => name === 'env' && place === 'row workspaces.config')
  if (!isInUse) violations.push('the environment was not stored: nothing was tried')
  const { sightings: _sightings, unseen: _unseen, ...counts } = first
  return result({
    counts: { workspaces: ids.length, kinds: Object.keys(secrets).length - 1, answers: told.answers.length, log_lines: world.log.length, ...counts },
    violations: [...new Set(violations)],
    control: { name: 'a secret that the guest writes into its log is found there', failedAsItMust: isSeen },
    audit: auditLines(await world.audit()),
  })
}

/** Everything that was answered, with who was told. */
interface Told {
  readonly answers: { readonly place: string; readonly text: string }[]
}

/** Keeps what an account is told. */
function telling(api: Api, who: string, { answers }: Told): Api {
  return {
    ...api,
    async send(method, path, options) {
      const answer = await api.send(method, path, options)
      if (answer.kind === 'answered') {
        const what =
          answer.status >= 400 ? 'error' : method === 'GET' && path.endsWith('/details') ? 'details' : `${method} ${path.split('/').slice(3).join('/')}`
        answers.push({ place: `${who} ${what}`, text: `${JSON.stringify([...answer.headers])} ${JSON.stringify(answer.body)}` })
      }
      return answer
    },
  }
}

async function must(answer: Promise<Answer>, statuses: readonly number[]): Promise<Extract<Answer, { kind: 'answered' }>> {
  const given = await answer
  if (given.kind === 'answered' && statuses.includes(given.status)) return given
  throw new Error(`answered otherwise than ${statuses.join(' or ')}: ${JSON.stringify(given).slice(0, 500)}`)
}

/** One workspace through every verb; it runs at the end. */
async function live(world: World, owner: Api, secrets: Record<string, string>, index: number): Promise<string> {
  const { env, control } = secrets
  const cmd = staying('echo "have $(printf %s "$SECRET" | wc -c) characters"; echo "control $CONTROL"')
  const config = { ...smallest.config, cmd, env: [{ key: 'SECRET', value: env }, `CONTROL=${control}`], proxy_assignment_id: 1 }
  const key = `s11-${index}`
  const body = { image: smallest.image, name: `s11-${index}`, config }
  const { body: created } = await must(owner.send('POST', '/workspace', { body, key, timeoutMs: moveMs }), [201])
  const id = created.workspace?.id ?? ''
  await reaches(owner, id, 'running')
  await must(owner.send('POST', '/workspace', { body, key, timeoutMs: moveMs }), [200, 201])
  const verb = (name: string) => must(owner.send('POST', `/workspace/${id}/${name}`, { key: `${key}-${name}`, body: {}, timeoutMs: moveMs }), [200, 202])
  await said(world, id, `have ${env?.length} characters`)
  await verb('pause')
  await reaches(owner, id, 'paused')
  await verb('resume')
  await reaches(owner, id, 'running')
  await must(owner.send('PUT', `/workspace/${id}`, { body: { config: { env: [...config.env, { key: 'MORE', value: env }] } }, key: `${key}-put` }), [200])
  await verb('stop')
  await reaches(owner, id, 'stopped')
  await verb('start')
  await reaches(owner, id, 'running')
  const { body: details } = await must(owner.send('GET', `/workspace/${id}/details`), [200])
  const { token } = (details.workspace ?? details) as { token?: unknown }
  if (typeof token !== 'string') throw new Error('the details have no token')
  // The signature is what makes it one; the rest is public.
  secrets.token = token.split('.')[2] ?? token
  return id
}

async function reaches(api: Api, id: string, status: string): Promise<void> {
  const { missing } = await untilEach(
    [id],
    moveMs,
    200,
    () => api.list(),
    (all) => all.find((workspace) => workspace.id === id)?.status === status,
  )
  if (missing.length > 0) throw new Error(`${id} is not ${status} in time`)
}

/** Waits until the guest has said something in its log: then the secret has reached it. */
async function said(world: World, id: string, words: string): Promise<void> {
  const read = () => readFile(join(world.dataDir, 'vm', id, 'logs/cmd.log'), 'utf8').catch(() => '')
  const { missing } = await untilEach([id], moveMs, 200, read, (log) => log.includes(words))
  if (missing.length > 0) throw new Error(`${id} never said: ${words}`)
}

/** Requests that fail or are another's, and everything that can be read. */
async function errors(world: World, owner: Api, told: Told, ids: readonly string[], { env, wrongSecret = '' }: Canaries): Promise<void> {
  const [tenant] = world.tenants
  if (!tenant) throw new Error('no other account')
  const other = telling(tenant, 'other', told)
  await must(owner.send('GET', '/workspace', { headers: { 'x-client-secret': wrongSecret } }), [401])
  await must(
    owner.send('POST', `/workspace?secret=${wrongSecret}`, { body: { image: 'none', config: { env: [{ key: '1 no name', value: env }] } } }),
    [400, 422],
  )
  await must(
    owner.send('POST', '/workspace', { body: { image: smallest.image, name: 's11-0', config: { ...smallest.config, cpus: 1e6, env: [`A=${env}`] } } }),
    [400, 403, 409, 422],
  )
  await must(owner.send('POST', '/workspace', { body: { image: smallest.image, config: { env: `A=${env}` } }, key: 's11-0' }), [400, 422])
  for (const path of ['/workspace', '/workspace/quota', '/workspace/images', '/health', '/metrics', '/openapi.json'])
    for (const api of [owner, other]) await must(api.send('GET', path), [200])
  for (const id of ids) {
    for (const what of ['', '/details', '/lifecycle', '/resources', '/metadata', '/operations', '/events']) {
      await must(owner.send('GET', `/workspace/${id}${what}`), [200])
      await must(other.send('GET', `/workspace/${id}${what}`), [404])
    }
    await must(other.send('DELETE', `/workspace/${id}`), [404])
    await must(other.send('PUT', `/workspace/${id}`, { body: { config: { env: [`A=${env}`] } } }), [404])
  }
}

/** Everything there is, looked through. */
async function look(world: World, told: Told, secrets: Canaries) {
  const files = await scanFiles(secrets, world.dataDir)
  const processes = await scanProcesses(secrets)
  const rows = scanRows(secrets, world.database)
  const texts = [...world.log.map((line) => ({ place: `log ${line.slice(0, 200)}`, text: line })), ...told.answers]
  const sightings = [...files.sightings, ...processes.sightings, ...rows.sightings, ...texts.flatMap(({ place, text }) => scanText(secrets, place, text))]
  const isOurs = (argv: string) => argv.includes(world.installId) || argv.includes(world.dataDir)
  const unseen = processes.closed.filter(isOurs).map((argv) => `an environment could not be looked at: ${argv.replaceAll('\0', ' ').slice(0, 200)}`)
  return { sightings, unseen, files: files.files, megabytes: Math.round(files.bytes / 1e6), processes: processes.processes, rows: rows.rows }
}

function judge(sightings: readonly Sighting[]): string[] {
  return sightings.flatMap(({ canary, place }) => {
    if (canary === 'control') return controlPlace.test(place) || belongs.env?.test(place) ? [] : [`control: ${place}`]
    // Whoever asks for the details of a workspace is given its token there.
    if (canary === 'token' && place === 'own details') return []
    return belongs[canary]?.test(place) ? [] : [`${canary}: ${place}`]
  })
}

/** Files with secrets that somebody else may read. */
async function openFiles({ dataDir }: World): Promise<string[]> {
  const names = (await readdir(dataDir, { recursive: true })).filter((name) =>
    /(^|\/)(handle\.json|spec\.json|credentials\.json|token\.key|alcove\.db(-wal|-shm)?)$/.test(name),
  )
  const wrong = await Promise.all(
    names.map(async (name) => {
      const { mode, uid } = await stat(join(dataDir, name))
      return (mode & 0o777) === 0o600 && uid === 0 ? [] : [`${name} is of user ${uid} with mode ${(mode & 0o777).toString(8)}`]
    }),
  )
  const missing = ['handle.json', 'spec.json', 'credentials.json', 'token.key', 'alcove.db'].filter((name) => !names.some((path) => path.endsWith(name)))
  return [...wrong.flat(), ...missing.map((name) => `no ${name} was found: nothing was looked at`)]
}

/** Virtual machines that may leave their memory in a core dump. Their launchers may: they know no secret. */
async function dumpable({ installId, pid }: World): Promise<string[]> {
  const wrong: string[] = []
  let machines = 0
  for (const line of await qemuProcesses(installId)) {
    const vm = Number(/^process (\d+):/.exec(line)?.[1])
    if (!(await readFile(`/proc/${vm}/comm`, 'utf8')).startsWith('qemu-system')) continue
    machines++
    const limit = await coreLimit(vm)
    if (limit !== '0 0') wrong.push(`the VM ${vm} may dump core: ${limit}`)
  }
  if (machines === 0) wrong.push('no VM was found: nothing was looked at')
  const ours = await coreLimit(pid)
  if (!ours.startsWith('unlimited')) wrong.push(`the daemon should have been allowed to dump core: ${ours}`)
  return wrong
}

/** Soft and hard limit of a process. */
async function coreLimit(pid: number): Promise<string> {
  const [, soft, hard] = /^Max core file size\s+(\S+)\s+(\S+)/m.exec(await readFile(`/proc/${pid}/limits`, 'utf8')) ?? []
  return `${soft} ${hard}`
}
