import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { parseResolvConf } from './dns.ts'
import { installNames, parseOwner, renderOwner } from './names.ts'
import { chooseTransfer, transferOf } from './transfer.ts'

test('a transfer network is never one that is in use or belongs to a cloud', () => {
  fc.assert(
    fc.property(fc.nat(0xffffffff), fc.integer({ min: 0, max: 254 }), (hash, block) => {
      const taken = `169.254.${block}.0/24`
      const transfer = chooseTransfer(hash, ['10.0.0.0/8', taken, 'fe80::1/64', 'default'])
      assert.ok(transfer)
      const third = Number(transfer.hostIp.split('.')[2])
      assert.ok(third !== block && ![0, 169, 170, 255].includes(third))
      assert.deepEqual(transferOf(transfer.hostIp), transfer)
    }),
  )
  assert.equal(chooseTransfer(7, ['169.254.0.0/16']), undefined)
  assert.notDeepEqual(chooseTransfer(700, [`${chooseTransfer(700, [])?.hostIp}/32`]), chooseTransfer(700, []))
})

test('names of two installs differ even when only punctuation does', () => {
  const [one, other] = [installNames('a-b'), installNames('a_b')]
  for (const key of ['namespace', 'hostTable', 'veth', 'owner'] as const) assert.notEqual(one[key], other[key])
  assert.ok(Buffer.byteLength(one.veth) <= 15)
  for (const id of ['', 'a b', 'a/b', '../x', 'a:b', 'x'.repeat(65)]) assert.throws(() => installNames(id), RangeError)
})

test('an alias is read back only by the install that wrote it', () => {
  const lease = { workspaceId: 'ws_1', bootId: 'boot_1' }
  const names = installNames('inst')
  assert.deepEqual(parseOwner(names, renderOwner(names, lease)), lease)
  for (const alias of [undefined, '', 'alcove:other:ws_1:boot_1', 'alcove:inst:ws_1', 'alcove:inst:uplink', 'alcove:inst:a:b:c']) {
    assert.equal(parseOwner(names, alias), undefined)
  }
  assert.throws(() => renderOwner(names, { ...lease, bootId: 'x" }; flush' }), RangeError)
})

test('stubs on loopback, IPv6 servers and garbage are no upstreams', () => {
  const text =
    '# c\nnameserver 127.0.0.53\nnameserver ::1\nnameserver 10.1.1.1\n nameserver 8.8.8.8\nnameserver 10.1.1.1\nnameserver 1.2.3\nnameserver\t9.9.9.9\n'
  assert.deepEqual(parseResolvConf(text), ['10.1.1.1', '9.9.9.9'])
  assert.deepEqual(parseResolvConf(''), [])
})
