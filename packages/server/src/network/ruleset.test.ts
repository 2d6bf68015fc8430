import assert from 'node:assert/strict'
import test from 'node:test'
import { renderHostRuleset } from './host-ruleset.ts'
import { installNames } from './names.ts'
import { renderClose, renderOpen, renderRuleset } from './ruleset.ts'

test('opening a slot removes what it held, then adds exactly what the lease grants', () => {
  const key = '"vm1" . 06:00:0a:01:00:01 . 10.1.0.1'
  const reset = [
    `add element arp alcove sources { ${key} }`,
    `delete element arp alcove sources { ${key} }`,
    `add element inet alcove sources { ${key} }`,
    `delete element inet alcove sources { ${key} }`,
    'add element inet alcove internet { "vm1" }',
    'delete element inet alcove internet { "vm1" }',
  ]
  const sources = [`add element arp alcove sources { ${key} comment "o" }`, `add element inet alcove sources { ${key} comment "o" }`]
  assert.deepEqual(lines(renderClose(1)), reset)
  assert.deepEqual(lines(renderOpen({ slot: 1, allowInternet: false }, 'o')), [...reset, ...sources])
  assert.deepEqual(lines(renderOpen({ slot: 1, allowInternet: true }, 'o')), [...reset, ...sources, 'add element inet alcove internet { "vm1" comment "o" }'])
})

test('every chain that filters drops by default, and policy is asked before conntrack', () => {
  const text = renderRuleset(['9.9.9.9'])
  const filters = lines(text).filter((line) => line.includes('type filter'))
  assert.equal(filters.length, 4)
  assert.ok(filters.every((line) => line.endsWith('policy drop;')))
  assert.deepEqual(chain(text, 'outbound'), [
    'iifname != @internet reject with icmpx admin-prohibited',
    'meta l4proto { tcp, udp } ct status dnat th dport 53 accept',
    'ip daddr @reserved reject with icmpx admin-prohibited',
    'tcp flags syn tcp option maxseg size set rt mtu',
    'accept',
  ])
  assert.deepEqual(chain(text, 'inbound'), ['oifname @internet ct state established,related ct direction reply accept', 'drop'])
})

test('names are translated to the upstreams only, in turn', () => {
  const names = (upstreams: string[]) => chain(renderRuleset(upstreams), 'names').slice(1)
  const start = 'iifname @internet ip daddr 10.0.0.1 meta l4proto { tcp, udp } th dport 53 dnat ip to'
  assert.deepEqual(names([]), [])
  assert.deepEqual(names(['9.9.9.9']), [`${start} 9.9.9.9`])
  assert.deepEqual(names(['9.9.9.9', '1.1.1.1']), [`${start} numgen inc mod 2 map { 0 : 9.9.9.9, 1 : 1.1.1.1 }`])
})

test('the table of the host names no device but the veth, save for the guard', () => {
  const rules = { device: 'eth0', insideIp: '169.254.7.2', upstreams: [], isGuarded: true }
  const names = installNames('inst-1')
  const text = renderHostRuleset(names, rules)
  assert.match(text, /^add table ip alcove_inst\.1\ndelete table ip alcove_inst\.1\n/)
  assert.deepEqual(chain(text, 'forward').slice(1), [
    `iifname "${names.veth}" oifname != "eth0" drop`,
    `iifname "${names.veth}" ip daddr @reserved drop`,
    `oifname "${names.veth}" ct state established,related accept`,
    `oifname "${names.veth}" drop`,
    'iifname "eth0" oifname != "alv*" drop comment "alcove guard"',
  ])
  assert.ok(!renderHostRuleset(names, { ...rules, isGuarded: false }).includes('guard'))
})

function lines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
}

function chain(text: string, name: string): string[] {
  const all = lines(text)
  const start = all.indexOf(`chain ${name} {`)
  return all.slice(start + 1, all.indexOf('}', start))
}
