/** T6: the control plane is down; nothing that runs may notice. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock } from '../../packages/server/src/lib/clock.ts'
import { staying } from '../../test/support/guest-log.ts'
import { createLab, labAddresses } from '../../test/support/network-lab.ts'
import { auditLines } from '../audit.ts'
import { judge } from '../blow.ts'
import { type Context, type Figure, type Result, result } from '../figure.ts'
import { readIdentities } from '../identity.ts'
import { untilEach } from '../until.ts'
import type { World } from '../world.ts'

/** Longest that a guest under TCG takes to say its next line, ms. */
const sayMs = 60_000
/** Time in which each guest must have spoken at least once while the daemon is down, ms. */
const beatMs = 20_000

/** Says which boot it is, how long it is up, and what it reaches of a site and of what no guest may reach. */
const telling = (forbidden: string) => `
while :; do
  site=no; for n in 1 2; do [ "$(echo hi | timeout 3 nc -w 1 ${labAddresses.public} 80 2>/dev/null | head -n 1)" ] && site=yes && break; done
  bad=no; [ "$(echo hi | timeout 3 nc -w 1 ${forbidden} 80 2>/dev/null | head -n 1)" ] && bad=yes
  echo "boot $(cat /proc/sys/kernel/random/boot_id) up $(cut -d" " -f1 /proc/uptime) site $site forbidden $bad"
  sleep 0.5
done`
const told = /boot (\S+) up ([\d.]+) site (\w+) forbidden (\w+)/g

export const figure: Figure = {
  id: 'T6',
  title: 'control plane down (count: seconds): no VM ends, logs go on, network policy holds, all are taken up again',
  ci: { count: 60, vms: 3 },
  full: { count: 600, vms: 6 },
  run,
}

async function run(context: Context): Promise<Result> {
  const lab = await createLab()
  try {
    await using world = await context.world({ driver: 'real', lab })
    return await withVms(context, world, lab)
  } finally {
    await lab.destroy()
  }
}

async function withVms(context: Context, world: World, lab: Awaited<ReturnType<typeof createLab>>): Promise<Result> {
  const violations: string[] = []
  const made = await Promise.all(Array.from({ length: context.size.vms ?? 3 }, (_, index) => create(world, index)))
  const ids = made.map(({ id }) => id)
  const silent = await spokenSince(world, ids, await lines(world, ids), sayMs)
  if (silent.length > 0) throw new Error(`guests that never spoke: ${silent.join(', ')}`)
  violations.push(...(await judge(world)).violations)
  const before = await readIdentities(world.dataDir, ids)

  await world.kill9()
  const linesAtKill = await lines(world, ids)
  const contactsAtKill = lab.contacts.length
  const downUntil = performance.now() + context.count * 1000
  let beats = 0
  while (performance.now() < downUntil) {
    const mute = await spokenSince(world, ids, await lines(world, ids), beatMs)
    violations.push(...mute.map((id) => `${id} said nothing for ${beatMs} ms while the daemon was down`))
    beats++
    await systemClock.sleep(1000)
  }
  const contacts = lab.contacts.slice(contactsAtKill)
  const after = await readIdentities(world.dataDir, ids)
  for (const id of ids)
    if (after.get(id)?.key !== before.get(id)?.key) violations.push(`${id} ended or was replaced: ${before.get(id)?.key} became ${after.get(id)?.key}`)
  if (contacts.length === 0) violations.push('no guest reached the internet while the daemon was down')
  for (const { to } of contacts) if (!isAllowed(to)) violations.push(`a forbidden address was contacted: ${to}`)
  if (lab.hostContacts.length > 0) violations.push(`services of the host were contacted: ${JSON.stringify(lab.hostContacts.slice(0, 3))}`)

  const serves = await world.start()
  violations.push(...(await world.converge()).left, ...(await judge(world)).violations)
  let said = 0
  for (const { id, allowInternet } of made) {
    const all = await readLog(world, id)
    said += all.length - (linesAtKill.get(id) ?? 0)
    violations.push(...judgeLog(id, allowInternet, all))
  }
  return result({
    counts: { seconds_down: context.count, vms: ids.length, beats, lines_while_down: said, contacts_while_down: contacts.length },
    latencies: { serves: { p50: Math.round(serves), p99: Math.round(serves), max: Math.round(serves), n: 1 } },
    violations,
    audit: auditLines(await world.audit()),
  })
}

async function create(world: World, index: number): Promise<{ readonly id: string; readonly allowInternet: boolean }> {
  const [api] = world.tenants
  if (!api) throw new Error('no account')
  // Every second one may not reach the internet at all.
  const allowInternet = index % 2 === 0
  const name = `vm-${index}`
  const cmd = staying(telling(labAddresses.forbidden[index % labAddresses.forbidden.length] as string))
  const config = { cpus: 1, memory_mb: 128, writable_size_mb: 64, cmd, network_config: { allow_internet: allowInternet } }
  const act = world.oracle.sent({ verb: 'create', account: api.account, name })
  const answer = await api.send('POST', '/workspace', { body: { image: 'busybox', name, config }, key: name, timeoutMs: 120_000 })
  world.oracle.ended(act, answer)
  if (answer.kind !== 'answered' || answer.status !== 201 || !answer.body.workspace) throw new Error(`not created: ${JSON.stringify(answer)}`)
  return { id: answer.body.workspace.id, allowInternet }
}

/** Addresses that a guest may reach: the site and the resolvers of the host. */
function isAllowed(address: string): boolean {
  return ([labAddresses.public, ...labAddresses.resolvers] as string[]).includes(address)
}

function judgeLog(id: string, allowInternet: boolean, all: readonly Told[]): string[] {
  const wrong: string[] = []
  if (new Set(all.map(({ boot }) => boot)).size !== 1) wrong.push(`${id} was booted anew`)
  if (all.some(({ uptime }, at) => at > 0 && uptime < (all[at - 1]?.uptime ?? 0))) wrong.push(`the clock of ${id} went back`)
  if (all.some(({ forbidden }) => forbidden)) wrong.push(`${id} reached a forbidden address`)
  if (!allowInternet && all.some(({ site }) => site)) wrong.push(`${id} reached the internet, which it may not`)
  if (allowInternet && !all.some(({ site }) => site)) wrong.push(`${id} never reached the internet, which it may`)
  return wrong
}

interface Told {
  readonly boot: string
  readonly uptime: number
  readonly site: boolean
  readonly forbidden: boolean
}

/** What a guest has said, oldest first, as the host's files have it: no daemon is asked. */
async function readLog(world: World, id: string): Promise<Told[]> {
  const text = await readFile(join(world.dataDir, 'vm', id, 'logs/cmd.log'), 'utf8').catch(() => '')
  return [...text.matchAll(told)].map(([, boot = '', uptime, site, forbidden]) => ({
    boot,
    uptime: Number(uptime),
    site: site === 'yes',
    forbidden: forbidden === 'yes',
  }))
}

async function lines(world: World, ids: readonly string[]): Promise<Map<string, number>> {
  return new Map(await Promise.all(ids.map(async (id) => [id, (await readLog(world, id)).length] as const)))
}

/** The guests that did not say a whole line more in time. */
async function spokenSince(world: World, ids: readonly string[], before: ReadonlyMap<string, number>, timeoutMs: number): Promise<readonly string[]> {
  const { missing } = await untilEach(
    ids,
    timeoutMs,
    200,
    () => lines(world, ids),
    (now, id) => (now.get(id) ?? 0) > (before.get(id) ?? 0),
  )
  return missing
}
