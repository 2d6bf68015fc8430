/** What becomes of the network when things are repeated, left behind, taken away or run side by side. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import test, { after, before } from 'node:test'
import { run, runAny } from '../../packages/server/src/lib/subprocess.ts'
import { installNames } from '../../packages/server/src/network/names.ts'
import { gatewayMac } from '../../packages/server/src/network/slots.ts'
import { ethernet, udp } from '../support/network-frames.ts'
import { type Guest, type RemoteNetwork, startGuest, startNetwork } from '../support/network-guest.ts'
import { createLab, type Lab, labAddresses } from '../support/network-lab.ts'

const { public: site } = labAddresses
let lab: Lab

before(async () => {
  lab = await createLab()
})
after(() => lab?.destroy())

const lease = (slot: number, allowInternet: boolean, boot = 'boot_1') => ({ workspaceId: `ws_${slot}`, bootId: boot, slot, allowInternet })

/** Runs a test with a network of its own and guests; all of it is gone afterwards, and that is asserted. */
async function withNetwork(slots: readonly number[], body: (network: RemoteNetwork, ...guests: Guest[]) => Promise<void>, twice = false): Promise<void> {
  const network = await startNetwork(lab, `t${randomBytes(4).toString('hex')}`, ['9.9.9.9'], twice)
  const guests = await Promise.all(slots.map(startGuest))
  try {
    await network.call('ensure')
    await body(network, ...guests)
  } finally {
    await network.call('destroy')
    await Promise.all([network.kill(), ...guests.map((guest) => guest.end())])
  }
  await assertNothingOnHost(network.installId)
}

async function assertNothingOnHost(installId: string): Promise<void> {
  const { veth, namespace, hostTable } = installNames(installId)
  assert.ok(!(await run(['ip', 'netns', 'list'])).includes(namespace))
  assert.ok(!(await hostState()).includes(veth))
  assert.ok(!(await hostState()).includes(hostTable))
}

async function hostState(): Promise<string> {
  return (await lab.exec(lab.hostNs, ['sh', '-c', 'ip -d address; ip route; nft list ruleset'])).stdout
}

/** Everything in the namespace that attach makes. */
async function insideState(network: RemoteNetwork): Promise<string> {
  const script = 'ip -o link | cut -d: -f2; ip route show table 100; ip neigh show nud permanent; ip rule; nft list ruleset; conntrack -L 2>/dev/null'
  return (await lab.exec(network.namespace, ['sh', '-c', script])).stdout
}

test('ensure twice changes nothing and cuts nobody off', () =>
  withNetwork([1], async (network, guest) => {
    await network.call('attach', lease(1, true), guest.pid)
    const [host, inside] = [await hostState(), await insideState(network)]
    await network.call('ensure')
    assert.deepEqual([await hostState(), await insideState(network)], [host, inside])
    assert.equal(await network.call('verify', [lease(1, true)]), 'ok')
    assert.equal(await guest.probe('tcp', site, 80), 'reached')
  }))

test('each step done twice gives the same as once', () =>
  withNetwork(
    [1],
    async (network, guest) => {
      await network.call('attach', lease(1, true), guest.pid)
      assert.equal(await guest.probe('dns', '10.0.0.1', 'example.org'), 'reached')
      await network.call('update', lease(1, false))
      assert.equal(await guest.probe('tcp', site, 80), 'failed')
      await network.call('detach', lease(1, false))
      assert.deepEqual(await network.call('inventory'), [])
      const steps = new Set(await network.steps())
      assert.ok(steps.size >= 12 && [...steps].every((step) => /^network(\.[a-z]+)+$/.test(step)))
    },
    true,
  ))

test('detach leaves nothing, and may be repeated', () =>
  withNetwork([1], async (network, guest) => {
    const before = await insideState(network)
    await network.call('attach', lease(1, true), guest.pid)
    assert.equal(await guest.probe('udp', site, 9), 'reached')
    assert.deepEqual(await network.call('inventory'), [{ tap: 'vm1', workspaceId: 'ws_1', bootId: 'boot_1' }])
    await network.call('detach', lease(1, true))
    assert.equal(await insideState(network), before)
    await network.call('detach', lease(1, true))
    assert.equal(await insideState(network), before)
    await assert.rejects(network.call('counters', 1), { code: 'vm_not_running' })
  }))

test('attach resets a slot: stale tap, stale rights and stale flows are gone', () =>
  withNetwork([1, 1], async (network, old, fresh) => {
    await network.call('attach', lease(1, true, 'boot_old'), old.pid)
    assert.equal(await old.probe('tcp', site, 80), 'reached')
    await network.call('attach', { ...lease(1, false, 'boot_new'), workspaceId: 'ws_new' }, fresh.pid)
    assert.deepEqual(await network.call('inventory'), [{ tap: 'vm1', workspaceId: 'ws_new', bootId: 'boot_new' }])
    assert.ok(!(await insideState(network)).match(/boot_old|src=10\.1\.0\.1/))
    const contacts = lab.contacts.length
    assert.equal(await fresh.probe('tcp', site, 80), 'failed')
    assert.equal(await old.probe('tcp', site, 80), 'failed')
    assert.equal(lab.contacts.length, contacts)
    // The former owner of the slot can neither change nor remove what is there now.
    await network.call('detach', lease(1, true, 'boot_old'))
    await assert.rejects(network.call('update', lease(1, true, 'boot_old')), { code: 'vm_not_running' })
    assert.equal((await network.call('inventory')).length, 1)
  }))

test('rights left in the sets by a crash are not inherited by the next owner of the slot', () =>
  withNetwork([5], async (network, guest) => {
    const planted =
      'add element inet alcove internet { "vm5" comment "stale" }\nadd element inet alcove sources { "vm5" . 06:00:0a:01:00:05 . 10.1.0.5 comment "stale" }\n'
    await lab.exec(network.namespace, ['nft', '-f', '-'], { input: planted })
    await network.call('attach', lease(5, false), guest.pid)
    assert.equal(await guest.probe('tcp', site, 80), 'failed')
    assert.ok(!(await insideState(network)).includes('stale'))
  }))

test('a restarted daemon finds its taps, and attaching again disturbs nothing', () =>
  withNetwork([1], async (network, guest) => {
    await network.call('attach', lease(1, true), guest.pid)
    const next = await startNetwork(lab, network.installId, ['9.9.9.9'])
    try {
      await next.call('ensure')
      assert.deepEqual(await next.call('inventory'), [{ tap: 'vm1', workspaceId: 'ws_1', bootId: 'boot_1' }])
      const inside = await insideState(network)
      await next.call('attach', lease(1, true), guest.pid)
      assert.equal(await insideState(network), inside)
      assert.equal(await next.call('verify', [lease(1, true)]), 'ok')
      assert.equal(await guest.probe('tcp', site, 80), 'reached')
    } finally {
      await next.kill()
    }
  }))

test('flushed rules let nothing through, and verify brings them back', () =>
  withNetwork([1, 2], async (network, one, two) => {
    const leases = [lease(1, true), lease(2, false)]
    await network.call('attach', lease(1, true), one.pid)
    await network.call('attach', lease(2, false), two.pid)
    assert.equal(await one.probe('tcp', site, 80), 'reached')
    await lab.exec(network.namespace, ['nft', 'flush', 'ruleset'])
    const [contacts, frames] = [lab.contacts.length, two.frames.length]
    for (const from of [one.ip, '8.8.8.8'])
      for (const to of [site, two.ip, '10.20.30.40'])
        one.send(ethernet({ to: gatewayMac, from: one.mac, type: 0x0800, payload: udp({ from, to, port: 9, text: 'bad' }) }))
    assert.equal(await one.probe('tcp', site, 80), 'failed')
    assert.equal(await two.probe('udp', site, 9), 'failed')
    assert.deepEqual([lab.contacts.length, two.frames.slice(frames).filter((frame) => frame.includes('bad')).length], [contacts, 0])
    assert.equal(await network.call('verify', leases), 'repaired')
    assert.equal(await network.call('verify', leases), 'ok')
    assert.equal(await one.probe('tcp', site, 80), 'reached')
    assert.equal(await two.probe('tcp', site, 80), 'failed')
  }))

test('verify notices a single changed rule, element, route or device, on both sides', () =>
  withNetwork([1], async (network, guest) => {
    const { veth, hostTable } = installNames(network.installId)
    await network.call('attach', lease(1, false), guest.pid)
    const damages: [string, readonly string[]][] = [
      [network.namespace, ['nft', 'insert', 'rule', 'inet', 'alcove', 'forward', 'accept']],
      [network.namespace, ['nft', 'add', 'element', 'inet', 'alcove', 'internet', '{ "vm1" }']],
      [network.namespace, ['nft', 'delete', 'element', 'inet', 'alcove', 'reserved', '{ 10.0.0.0/8 }']],
      [network.namespace, ['nft', 'add', 'element', 'inet', 'alcove', 'sources', '{ "vm1" . 06:00:0a:01:00:01 . 8.8.8.8 }']],
      [network.namespace, ['ip', 'link', 'set', 'vm1', 'down']],
      [network.namespace, ['ip', 'rule', 'delete', 'pref', '102']],
      [lab.hostNs, ['ip', 'link', 'delete', veth]],
      [lab.hostNs, ['nft', 'delete', 'table', 'ip', hostTable]],
    ]
    for (const [namespace, argv] of damages) {
      const { exitCode, stderr } = await lab.exec(namespace, argv)
      assert.equal(exitCode, 0, stderr)
      assert.equal(await network.call('verify', [lease(1, false)]), 'repaired', argv.join(' '))
      assert.equal(await network.call('verify', [lease(1, false)]), 'ok', argv.join(' '))
    }
    await network.call('update', lease(1, true))
    assert.equal(await guest.probe('tcp', site, 80), 'reached')
  }))

test('a deleted namespace is made again, and new workspaces have their network', () =>
  withNetwork([1, 2], async (network, one, two) => {
    await network.call('attach', lease(1, true), one.pid)
    await run(['ip', 'netns', 'delete', network.namespace])
    assert.deepEqual(await network.call('inventory'), [])
    await network.call('detach', lease(1, true))
    assert.equal(await network.call('verify', []), 'repaired')
    await network.call('attach', lease(2, true), two.pid)
    assert.equal(await two.probe('tcp', site, 80), 'reached')
  }))

test('two installs with the same slots do not meet, and one survives the end of the other', () =>
  withNetwork([1], (first, one) =>
    withNetwork([1], async (second, two) => {
      await first.call('attach', lease(1, true), one.pid)
      await second.call('attach', lease(1, true), two.pid)
      for (const guest of [one, two]) assert.equal(await guest.probe('tcp', site, 80), 'reached')
      await second.call('destroy')
      assert.equal(await one.probe('tcp', site, 80), 'reached')
      assert.equal(await first.call('verify', [lease(1, true)]), 'ok')
      assert.deepEqual((await first.call('inventory')).length, 1)
    }),
  ))

test('destroy leaves the host as it was', async () => {
  const state = async () => `${await hostState()}${(await lab.exec(lab.hostNs, ['cat', '/proc/sys/net/ipv4/conf/eth0/forwarding'])).stdout}`
  const before = await state()
  await withNetwork([], async (network) => {
    assert.notEqual(await state(), before)
    await network.call('destroy')
    await network.call('destroy')
    assert.equal(await state(), before)
  })
})

test('without a default route workspaces start and have no internet, and the log says why', async () => {
  await lab.exec(lab.hostNs, ['ip', 'route', 'delete', 'default'])
  try {
    await withNetwork([1], async (network, guest) => {
      await network.call('attach', lease(1, true), guest.pid)
      assert.equal(await guest.probe('tcp', site, 80), 'failed')
      assert.equal(await network.call('verify', [lease(1, true)]), 'ok')
      assert.match(network.log(), /no default route/)
      await lab.exec(lab.hostNs, ['ip', 'route', 'add', 'default', 'via', labAddresses.gateway])
      assert.equal(await network.call('verify', [lease(1, true)]), 'repaired')
      assert.equal(await guest.probe('tcp', site, 80), 'reached')
    })
  } finally {
    await lab.exec(lab.hostNs, ['ip', 'route', 'replace', 'default', 'via', labAddresses.gateway])
  }
})

test('changed name servers of the host reach the workspaces at the next check', () =>
  withNetwork([1], async (network, guest) => {
    await network.call('attach', lease(1, true), guest.pid)
    await network.setResolvers(['127.0.0.53'])
    assert.equal(await network.call('verify', [lease(1, true)]), 'repaired')
    assert.equal(await guest.probe('dns', '10.0.0.1', 'example.org'), 'failed')
    assert.match(network.log(), /no name server/)
    await network.setResolvers(['10.255.255.53'])
    assert.equal(await network.call('verify', [lease(1, true)]), 'repaired')
    assert.equal(await guest.probe('dns', '10.0.0.1', 'example.org'), 'reached')
  }))

test('a device named tap0 that belongs to the host is never taken', () =>
  withNetwork([], async (network) => {
    await lab.exec(lab.hostNs, ['ip', 'tuntap', 'add', 'mode', 'tap', 'name', 'tap0'])
    const { stdout } = await lab.exec(lab.hostNs, ['sh', '-c', 'sleep 30 >/dev/null 2>&1 & echo $!'])
    const pid = Number(stdout)
    try {
      await assert.rejects(network.call('attach', lease(1, true), pid), { code: 'VM_UNAVAILABLE' })
      assert.ok((await hostState()).includes('tap0'))
      assert.deepEqual(await network.call('inventory'), [])
    } finally {
      process.kill(pid)
      await lab.exec(lab.hostNs, ['ip', 'link', 'delete', 'tap0'])
    }
    await assert.rejects(network.call('attach', lease(1, true), pid), { code: 'VM_UNAVAILABLE' })
  }))

test('the link of a foreign owner under our name is refused and kept', async () => {
  const installId = `t${randomBytes(4).toString('hex')}`
  const { veth } = installNames(installId)
  const { exitCode } = await lab.exec(lab.hostNs, ['ip', 'link', 'add', veth, 'type', 'veth', 'peer', 'name', 'foreign0'])
  assert.equal(exitCode, 0)
  const network = await startNetwork(lab, installId, [])
  try {
    await assert.rejects(network.call('ensure'), { code: 'VM_UNAVAILABLE' })
    await network.call('destroy')
    assert.ok((await hostState()).includes(veth))
  } finally {
    await network.kill()
    await runAny(['ip', 'netns', 'delete', installNames(installId).namespace])
    await lab.exec(lab.hostNs, ['ip', 'link', 'delete', veth])
  }
})
