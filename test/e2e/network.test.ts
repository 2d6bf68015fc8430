/** What workspaces can reach: nothing but the internet, and that only where it is allowed. The internet is a lab. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import test from 'node:test'
import Sqlite from 'better-sqlite3'
import type { Workspace } from '../../packages/sdk/src/index.ts'
import { run } from '../../packages/server/src/lib/subprocess.ts'
import { type Daemon, sharedDaemon } from '../support/daemon.ts'
import { staying, untilLogged } from '../support/guest-log.ts'
import { createLab, type Lab, labAddresses } from '../support/network-lab.ts'
import { eventually } from '../support/vmm.ts'

let lab: Lab
const daemonOf = sharedDaemon(async () => {
  lab = await createLab()
  return { lab, ended: () => lab.destroy() }
})

const { public: site, forbidden, host } = labAddresses

/** Tries everything, again and again, and says after each round what was reached in it. Decoys echo on TCP port 80 and 22. */
const prober = (pings: readonly string[], tcp: readonly string[]) => `
round=0
while :; do
  round=$((round+1)); reached=""
  for ip in ${pings.join(' ')}; do ping -c 1 -W 1 $ip >/dev/null 2>&1 && reached="$reached ping:$ip"; done
  for at in ${tcp.join(' ')}; do
    [ "$(echo hi | timeout 3 nc -w 1 \${at%:*} \${at#*:} 2>/dev/null | head -n 1)" ] && reached="$reached tcp:$at"
  done
  nslookup example.test 10.0.0.1 2>/dev/null | grep -q ${site} && reached="$reached dns"
  echo "round $round reached:$reached."
  sleep 0.3
done`

/** A server for neighbours, on a port of its own. */
const server = 'nc -ll -p 8080 -e echo from-a-neighbour &'

const create = (script: string, allow_internet: boolean) =>
  daemonOf().workspaces.create({
    image: 'busybox',
    config: { memory_mb: 256, writable_size_mb: 64, cmd: ['sh', '-c', script], network_config: { allow_internet } },
  })

/** What was reached in a round that began after the call. */
async function nextRound({ id }: Pick<Workspace, 'id'>): Promise<string[]> {
  const { workspaces } = daemonOf()
  const rounds = [...(await workspaces.logs(id, { tail_lines: 2000 })).matchAll(/round (\d+) reached/g)]
  // The one after the next: the next may have begun before the call.
  const wanted = Number(rounds.at(-1)?.[1] ?? 0) + 2
  const [, reached = ''] = await untilLogged(workspaces, id, new RegExp(`round ${wanted} reached:(.*)\\.$`, 'm'), { timeoutMs: 120_000 })
  return reached.split(' ').filter((word) => word !== '')
}

test('workspaces reach neither each other nor the host, metadata or private addresses; the internet and its names where allowed', async () => {
  const first = await create(`${server}\n${prober([], ['127.0.0.1:8080', `${site}:80`])}`, true)
  const hostAddresses = await addressesOfHost()
  const pings = [first.ip, site, ...forbidden.slice(0, 3), host]
  const tcp = [`${first.ip}:8080`, `${site}:80`, '10.0.0.1:22', '10.0.0.1:80', ...[...forbidden, ...hostAddresses].map((ip) => `${ip}:80`)]
  const [open, closed] = await Promise.all([create(prober(pings, tcp), true), create(prober(pings, tcp), false)])

  assert.ok((await nextRound(first)).includes('tcp:127.0.0.1:8080'), 'the neighbour does serve')
  const contactsBefore = lab.contacts.length
  assert.deepEqual(await nextRound(open), [`ping:${site}`, `tcp:${site}:80`, 'dns'])
  assert.ok(lab.contacts.length > contactsBefore, 'the decoy has seen it')
  assert.deepEqual(await nextRound(closed), [])
  assert.deepEqual(lab.hostContacts, [], 'no service of the host was contacted')
  const reachable: readonly string[] = [site, ...labAddresses.resolvers]
  assert.deepEqual(
    lab.contacts.filter(({ to }) => !reachable.includes(to)),
    [],
    'no forbidden address was contacted',
  )
  await removeAll()
})

test('an update of allow_internet acts on a running VM, also on a flow that is established', async () => {
  const { workspaces } = daemonOf()
  // One connection, kept busy: each line comes back from the decoy. A new one is made when it ends.
  const flow = `while :; do (n=0; while :; do n=$((n+1)); echo "flow $n"; sleep 0.2; done) | nc ${site} 80; sleep 0.2; done &`
  const made = await create(`${flow}\n${prober([], [`${site}:80`])}`, true)
  await untilLogged(workspaces, made.id, /stdout: flow 5$/m)
  const connections = () => lab.contacts.filter(({ port, proto }) => port === 80 && proto === 'tcp').length

  const closed = await workspaces.update(made.id, { config: { network_config: { allow_internet: false } } })
  assert.deepEqual([closed.network.allow_internet, closed.info.restart_required ?? false], [false, false])
  assert.deepEqual(await nextRound(made), [])
  const [flowBefore, contactsBefore] = [await linesOfFlow(made.id), connections()]
  assert.deepEqual(await nextRound(made), [])
  assert.equal(await linesOfFlow(made.id), flowBefore, 'nothing more came back on the established flow')
  assert.equal(connections(), contactsBefore)

  const again = await workspaces.update(made.id, { config: { network_config: { allow_internet: true } } })
  assert.equal(again.network.allow_internet, true)
  await eventually('it is reached again', async () => (await nextRound(made)).join(' ') === `tcp:${site}:80 dns`, 60_000)
  await removeAll()
})

test('a static address is kept through stop and start', async () => {
  const { workspaces } = daemonOf()
  const config = { memory_mb: 256, static_network: true, cmd: staying('ip -4 addr show eth0') }
  const made = await workspaces.create({ image: 'busybox', config })
  assert.equal((await workspaces.stop(made.id)).ip, made.ip)
  assert.equal((await workspaces.start(made.id)).ip, made.ip)
  await untilLogged(workspaces, made.id, new RegExp(`inet ${made.ip.replaceAll('.', '\\.')}/32`))
})

// The last one: it leaves no address for another workspace.
test('rights are not inherited: not through stop and start, not with an address that is used again', async () => {
  const daemon = daemonOf()
  const { workspaces } = daemon
  const script = prober([], [`${site}:80`])
  const made = await create(script, true)
  assert.deepEqual(await nextRound(made), [`tcp:${site}:80`, 'dns'])
  await workspaces.stop(made.id)
  await workspaces.update(made.id, { config: { network_config: { allow_internet: false } } })
  await workspaces.start(made.id)
  assert.deepEqual(await nextRound(made), [], 'the right of the boot before is gone')
  await workspaces.update(made.id, { config: { network_config: { allow_internet: true } } })
  assert.deepEqual(await nextRound(made), [`tcp:${site}:80`, 'dns'])

  const { ip } = await workspaces.get(made.id)
  await workspaces.delete(made.id)
  await makeAddressesScarce(daemon)
  const heir = await create(script, false)
  assert.equal(heir.ip, ip, 'the address is used again')
  assert.deepEqual(await nextRound(heir), [])
})

async function linesOfFlow(id: string): Promise<number> {
  return (await daemonOf().workspaces.logs(id, { tail_lines: 5000 })).split('\n').filter((line) => line.includes('stdout: flow ')).length
}

/** Every address of the lab's host, that of the uplink among them. */
async function addressesOfHost(): Promise<string[]> {
  const text = await run([...lab.enter(lab.hostNs), 'ip', '-j', '-4', 'address', 'show'])
  const all = (JSON.parse(text) as { addr_info: { local: string }[] }[]).flatMap(({ addr_info }) => addr_info.map(({ local }) => local))
  assert.ok(
    all.some((ip) => ip.startsWith('169.254.')),
    'the uplink is there',
  )
  return all.filter((ip) => !ip.startsWith('127.'))
}

/** As if 65,535 addresses had been used and the last released one had rested longest. */
async function makeAddressesScarce(daemon: Daemon): Promise<void> {
  await daemon.end()
  const db = new Sqlite(join(daemon.dataDir, 'alcove.db'))
  const latest = db.prepare('select slot from slots where workspace_id is null order by released_at desc limit 1').pluck().get()
  db.prepare('update slots set released_at = 1 where slot = ?').run(latest)
  db.prepare('insert into slots (slot, workspace_id, released_at) values (65535, null, ?)').run(Date.now() + 3_600_000)
  db.close()
  await daemon.restart()
}

async function removeAll(): Promise<void> {
  const { workspaces } = daemonOf()
  await Promise.all((await workspaces.list()).workspaces.map(({ id }) => workspaces.delete(id)))
}
