/** What guests can and cannot reach. Attackers are descriptors of taps; all servers live in namespaces that the test makes. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import test, { after, before } from 'node:test'
import { run } from '../../packages/server/src/lib/subprocess.ts'
import { installNames } from '../../packages/server/src/network/names.ts'
import { gateway, gatewayMac } from '../../packages/server/src/network/slots.ts'
import { arp, ethernet, ipv4, ping, udp } from '../support/network-frames.ts'
import { eventually, type Guest, type RemoteNetwork, startGuest, startNetwork } from '../support/network-guest.ts'
import { createLab, type Lab, labAddresses } from '../support/network-lab.ts'

const { public: site, forbidden, host, resolvers } = labAddresses
const broadcast = 'ff:ff:ff:ff:ff:ff'

let lab: Lab
let network: RemoteNetwork
let one: Guest
let two: Guest
const lease = (guest: Guest, allowInternet: boolean) => ({ workspaceId: `ws_${guest.slot}`, bootId: `boot_${guest.slot}`, slot: guest.slot, allowInternet })
const frame = (from: Guest, payload: Buffer, change: Partial<Parameters<typeof ethernet>[0]> = {}) =>
  ethernet({ to: gatewayMac, from: from.mac, type: 0x0800, payload, ...change })

before(async () => {
  lab = await createLab()
  network = await startNetwork(lab, `t${randomBytes(4).toString('hex')}`, resolvers)
  ;[one, two] = await Promise.all([startGuest(1), startGuest(300)])
  await network.call('ensure')
  await network.call('attach', lease(one, true), one.pid)
  await network.call('attach', lease(two, true), two.pid)
})

after(async () => {
  await network?.call('destroy')
  await Promise.all([one?.end(), two?.end(), network?.kill()])
  await lab?.destroy()
})

/** Sends frames, then an honest datagram; returns the texts that reached a decoy up to that one. */
async function deliveredBefore(guest: Guest, frames: readonly Buffer[]): Promise<string[]> {
  const marker = `end-${randomBytes(4).toString('hex')}`
  const start = lab.contacts.length
  for (const one of frames) guest.send(one)
  guest.send(frame(guest, udp({ from: guest.ip, to: site, port: 9, text: marker })))
  await eventually('the honest datagram arrives', () => lab.contacts.some(({ text }) => text === marker))
  return lab.contacts
    .slice(start)
    .map(({ text }) => text ?? '')
    .filter((text) => text !== marker)
}

test('the host itself reaches every decoy, so that a denial proves something', async () => {
  for (const address of [site, ...forbidden]) {
    const { stdout } = await lab.exec(lab.hostNs, ['python3', new URL('../support/network-probe.py', import.meta.url).pathname, 'tcp', address, '80'])
    assert.equal(stdout.trim(), 'reached', address)
  }
})

test('a workspace with internet reaches a public server, and names are resolved through the gateway', async () => {
  assert.equal(await one.probe('tcp', site, 80), 'reached')
  assert.equal(await one.probe('udp', site, 9), 'reached')
  // Twice, so that both upstreams are asked; one of them has a private address.
  for (let time = 0; time < 2; time++) assert.equal(await one.probe('dns', gateway, 'example.org'), 'reached')
  assert.equal(await one.probe('dnstcp', gateway, 'example.org'), 'reached')
  const asked = lab.contacts.filter(({ port }) => port === 53).map(({ to }) => to)
  for (const resolver of resolvers) assert.ok(asked.includes(resolver), resolver)
})

test('a workspace without internet reaches nothing, not even names', async () => {
  await network.call('update', lease(two, false))
  const start = lab.contacts.length
  assert.equal(await two.probe('tcp', site, 80), 'failed')
  assert.equal(await two.probe('udp', site, 9), 'failed')
  assert.equal(await two.probe('dns', gateway, 'example.org'), 'failed')
  assert.equal(await two.probe('dnstcp', gateway, 'example.org'), 'failed')
  assert.equal(await two.probe('dns', resolvers[0], 'example.org'), 'failed')
  assert.equal(lab.contacts.length, start)
  await network.call('update', lease(two, true))
})

test('switching the internet off stops an established connection at once, switching it on lets new ones through', async () => {
  const stream = two.stream(site, 80)
  try {
    await eventually('the stream flows', () => stream.answers() > 3)
    await network.call('update', lease(two, false))
    const flows = await lab.exec(network.namespace, ['conntrack', '-L', '--orig-src', two.ip])
    assert.equal(flows.stdout, '')
    const contacts = lab.contacts.length
    const stopped = stream.answers()
    // Retransmissions would come after 200 ms and later; refused probes on the same path take as long.
    assert.equal(await two.probe('udp', site, 9), 'failed')
    assert.ok(stream.answers() <= stopped + 1)
    assert.equal(lab.contacts.length, contacts)
    await network.call('update', lease(two, true))
    assert.equal(await two.probe('tcp', site, 80), 'reached')
  } finally {
    await stream.end()
  }
})

test('private, shared and documentation ranges and the metadata service are never reached', async () => {
  const start = lab.contacts.length
  const probes = forbidden.flatMap((address) => [one.probe('tcp', address, 80), one.probe('udp', address, 9)])
  assert.deepEqual(new Set(await Promise.all(probes)), new Set(['failed']))
  // The private resolver is reached through the gateway only.
  assert.equal(await one.probe('dns', resolvers[1], 'example.org'), 'failed')
  const delivered = await deliveredBefore(
    one,
    ['127.0.0.1', '224.0.0.251', '239.1.1.1', '255.255.255.255', '0.0.0.0', '10.0.0.0'].map((to) =>
      frame(one, udp({ from: one.ip, to, port: 9, text: `bad-${to}` })),
    ),
  )
  assert.deepEqual(delivered, [])
  assert.deepEqual(
    lab.contacts.slice(start).filter(({ to }) => to !== site),
    [],
  )
})

test('services of the host are not reached, whatever address names the host', async () => {
  const { stdout } = await lab.exec(lab.hostNs, ['ip', '-j', '-4', 'address', 'show'])
  const own = (JSON.parse(stdout) as { addr_info?: { local: string }[] }[]).flatMap(({ addr_info = [] }) => addr_info.map(({ local }) => local))
  assert.ok(own.includes(host) && own.some((ip) => ip.startsWith('169.254.')))
  const start = lab.hostContacts.length
  const probes = [gateway, '169.254.169.254', ...own].flatMap((address) => [
    one.probe('tcp', address, 22),
    one.probe('tcp', address, 80),
    one.probe('udp', address, 9),
  ])
  assert.deepEqual(new Set(await Promise.all(probes)), new Set(['failed']))
  assert.equal(lab.hostContacts.length, start)
})

test('the gateway answers pings', async () => {
  const start = one.frames.length
  one.send(frame(one, ping(one.ip, gateway)))
  await eventually('an echo reply', () => one.frames.slice(start).some((reply) => reply[23] === 1 && reply[34] === 0))
})

test('workspaces do not reach each other', async () => {
  const start = two.frames.length
  assert.equal(await one.probe('tcp', two.ip, 80), 'failed')
  one.send(frame(one, ping(one.ip, two.ip)))
  one.send(frame(one, udp({ from: one.ip, to: two.ip, port: 9, text: 'bad' }), { to: two.mac }))
  one.send(frame(one, udp({ from: one.ip, to: two.ip, port: 9, text: 'bad' }), { to: broadcast }))
  one.send(ethernet({ to: broadcast, from: one.mac, type: 0x0806, payload: arp({ operation: 1, mac: one.mac, ip: one.ip, targetIp: two.ip }) }))
  await deliveredBefore(one, [])
  assert.deepEqual(two.frames.slice(start), [])
})

test('a frame with a foreign source address or MAC goes nowhere', async () => {
  const datagram = (from: string, text: string) => udp({ from, to: site, port: 9, text })
  const delivered = await deliveredBefore(one, [
    frame(one, datagram(two.ip, 'bad-ip')),
    frame(one, datagram('8.8.8.8', 'bad-public')),
    frame(one, datagram(gateway, 'bad-gateway')),
    frame(one, datagram('127.0.0.1', 'bad-loopback')),
    frame(one, datagram('0.0.0.0', 'bad-zero')),
    frame(one, datagram(one.ip, 'bad-mac'), { from: two.mac }),
    frame(one, datagram(one.ip, 'bad-gateway-mac'), { from: gatewayMac }),
    frame(one, datagram(two.ip, 'bad-both'), { from: two.mac }),
  ])
  assert.deepEqual(delivered, [])
})

test('ARP is answered for the gateway to its own owner only, and poisons nothing', async () => {
  const ask = (packet: Parameters<typeof arp>[0], from = one.mac) => ethernet({ to: broadcast, from, type: 0x0806, payload: arp(packet) })
  const neighbours = async () =>
    (await lab.exec(network.namespace, ['sh', '-c', 'ip neighbour show; ip route show table 100'])).stdout.replace(/ (REACHABLE|STALE|DELAY|PROBE)/g, '')
  const before = await neighbours()
  const start = one.frames.length
  const isReply = (reply: Buffer) => reply.readUInt16BE(12) === 0x0806 && reply[21] === 2
  for (const frame of [
    ask({ operation: 1, mac: one.mac, ip: two.ip, targetIp: gateway }),
    ask({ operation: 1, mac: two.mac, ip: one.ip, targetIp: gateway }),
    ask({ operation: 1, mac: two.mac, ip: two.ip, targetIp: gateway }, two.mac),
    ask({ operation: 1, mac: one.mac, ip: one.ip, targetIp: gateway }, two.mac),
    ask({ operation: 1, mac: one.mac, ip: one.ip, targetIp: two.ip }),
    ask({ operation: 1, mac: one.mac, ip: one.ip, targetIp: '169.254.169.254' }),
    ask({ operation: 2, mac: one.mac, ip: gateway, targetMac: two.mac, targetIp: two.ip }),
    ask({ operation: 2, mac: one.mac, ip: two.ip, targetMac: gatewayMac, targetIp: gateway }),
    ask({ operation: 1, mac: one.mac, ip: gateway, targetIp: gateway }),
  ])
    one.send(frame)
  await deliveredBefore(one, [])
  assert.deepEqual(one.frames.slice(start).filter(isReply), [])
  assert.equal(await neighbours(), before)
  one.send(ask({ operation: 1, mac: one.mac, ip: one.ip, targetIp: gateway }))
  await eventually('an answer to the honest question', () => one.frames.slice(start).some(isReply))
})

test('IPv6, VLAN, Q-in-Q, LLC and other kinds of frame are dropped', async () => {
  const datagram = udp({ from: one.ip, to: site, port: 9, text: 'bad-tagged' })
  const routerAdvertisement = Buffer.concat([Buffer.from('6000000000083aff', 'hex'), Buffer.alloc(32, 0xfe), Buffer.from('8600000040000000', 'hex')])
  const tag = (hex: string) => Buffer.from(hex, 'hex')
  const start = two.frames.length
  const delivered = await deliveredBefore(one, [
    // A priority tag alone names no VLAN, so such a frame counts as untagged: it has the rights of its source, no more.
    frame(one, udp({ from: two.ip, to: site, port: 9, text: 'bad-priority' }), { tags: tag('81000000') }),
    frame(one, datagram, { tags: tag('81000005') }),
    frame(one, datagram, { tags: tag('88a80005') }),
    frame(one, datagram, { tags: tag('88a8000581000000') }),
    frame(one, datagram, { type: 0x0801 }),
    frame(one, datagram, { type: 0x8847 }),
    frame(one, datagram, { type: 0x88cc }),
    ethernet({ to: '01:80:c2:00:00:00', from: one.mac, type: 39, payload: Buffer.alloc(46, 0x42) }),
    ethernet({ to: '33:33:00:00:00:01', from: one.mac, type: 0x86dd, payload: routerAdvertisement }),
    frame(one, ipv4(one.ip, site, 41, routerAdvertisement)).subarray(0, 30),
    Buffer.alloc(14),
    Buffer.from([1, 2, 3]),
  ])
  assert.deepEqual(delivered, [])
  assert.deepEqual(two.frames.slice(start), [])
  assert.equal((await lab.exec(network.namespace, ['ip', '-6', 'address', 'show'])).stdout, '')
})

test('nobody outside starts a connection to a workspace, even with a route to it', async () => {
  const { stdout } = await lab.exec(lab.hostNs, ['ip', '-j', '-4', 'address', 'show'])
  const transfer =
    (JSON.parse(stdout) as { ifname: string; addr_info?: { local: string }[] }[]).find(({ ifname }) => ifname?.startsWith('alv'))?.addr_info?.[0]?.local ?? ''
  const insideIp = transfer.replace(/\d+$/, (last) => String(Number(last) + 1))
  const start = one.frames.length
  await lab.exec(lab.hostNs, ['ip', 'route', 'add', `${one.ip}/32`, 'via', insideIp])
  await lab.exec(lab.internetNs, ['ip', 'route', 'add', `${one.ip}/32`, 'via', host])
  const probe = new URL('../support/network-probe.py', import.meta.url).pathname
  for (const namespace of [lab.hostNs, lab.internetNs]) await lab.exec(namespace, ['python3', probe, 'udp', one.ip, '9'])
  await lab.exec(lab.hostNs, ['ip', 'route', 'delete', `${one.ip}/32`])
  assert.deepEqual(one.frames.slice(start), [])
})

test('counters are those of the VM: what it sends is tx', async () => {
  const before = await network.call('counters', two.slot)
  const payload = udp({ from: two.ip, to: '240.0.0.1', port: 9, text: 'x'.repeat(1000) })
  for (let sent = 0; sent < 10; sent++) two.send(frame(two, payload))
  await deliveredBefore(two, [])
  const after = await network.call('counters', two.slot)
  assert.ok(after.txBytes - before.txBytes >= 10_000)
  assert.ok(after.rxBytes - before.rxBytes < 10_000)
})

test('the network of the test host never became that of the machine', async () => {
  assert.ok(!(await run(['ip', '-br', 'link'])).includes(installNames(network.installId).veth))
  assert.ok(!(await run(['nft', 'list', 'ruleset'])).includes(network.installId))
})
