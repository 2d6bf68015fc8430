import assert from 'node:assert/strict'
import test from 'node:test'
import { installNames } from '../network/names.ts'
import { compareAllocations } from './allocations.ts'
import { compareGroups } from './cgroups.ts'
import { compareControlPlane, renderAddress } from './control-plane.ts'
import { compareDeadlines } from './deadlines.ts'
import { compareFiles } from './files.ts'
import type { Judgement } from './finding.ts'
import { compareFlows, parseFlows } from './flows.ts'
import { compareIdentities } from './identity.ts'
import { compareImages } from './images.ts'
import { compareIntegrity } from './integrity.ts'
import { type AuditRow, know, type Rows } from './known.ts'
import { compareLinks } from './links.ts'
import { compareMounts, parseMounts } from './mounts.ts'
import { compareProcesses, workspaceOfHelper } from './processes.ts'
import { compareRules } from './rules.ts'
import { compareUsage, recount } from './usage.ts'

const now = 1_000_000_000
const names = installNames('in')
const digest = `sha256:${'a'.repeat(64)}`
const config = { cpus: 1, memory_mb: 128, writable_size_mb: 64, network_config: { allow_internet: true } } as AuditRow['config']

function row(id: string, status: AuditRow['status'], slot: number | null, more: Partial<AuditRow> = {}): AuditRow {
  const times = { deadline_at: null, expires_at: null }
  const sizes = { cpus: 1, memory_mb: 128, disk_mb: 64, config }
  const plain = { account_id: 'acc_a', boot_id: `boot_${id.slice(3)}`, version: 1, mode: 'temporary', image_digest: digest, started_at: 1 }
  return { id, status, slot, ...plain, ...times, ...sizes, ...more }
}

function rows(workspaces: readonly AuditRow[], more: Partial<Rows> = {}): Rows {
  const slots = workspaces.flatMap(({ id, slot }) => (slot === null ? [] : [{ slot, workspace_id: id, released_at: null }]))
  const totals = [{ account_id: 'acc_a', total: workspaces.length }]
  return { installId: 'in', uidBase: 1000, workspaces, slots, operations: [], accounts: [{ id: 'acc_a' }], totals, lastEvent: 0, ...more }
}

const plain = rows([row('ws_run', 'running', 1), row('ws_rest', 'stopped', null), row('ws_move', 'starting', 2, { deadline_at: now + 1 })])
const steady = (all: Rows = plain) => know(all, all, new Set(), new Set())
const objects = ({ findings }: Judgement) => findings.map(({ object }) => object)

const vmm = { pid: 7, startTicks: 70, workspaceId: 'ws_run', bootId: 'boot_run' }
const handle = { version: 1, installId: 'in', workspaceId: 'ws_run', bootId: 'boot_run', hostBootId: 'host', pid: 7, startTicks: 70, uid: 1001 } as const
const identity = {
  workspaceId: 'ws_run',
  record: { version: 1, spec: { bootId: 'boot_run' }, handle } as never,
  process: { pid: 7, startTicks: 70, uid: 1001 },
  ...{ isLocked: true, isSurelyLocked: true },
}
const tap = { name: 'vm1', alias: 'alcove:in:ws_run:boot_run', isUp: true, rxBytes: 0, txBytes: 0 }
const links = { hasNamespace: true, links: [{ ...tap, name: 'lo', alias: undefined }, { ...tap, name: 'uplink', alias: undefined }, tap] }
const wholeLinks = { ...links, routes: new Set(['10.1.0.1 vm1']), outside: [names.veth] }
const slotRules = { slot: 1, allowInternet: true, owner: 'alcove:in:ws_run:boot_run', isComplete: true }
const rules = { inside: [], outside: [], strays: [], tables: [], count: 3, slots: new Map([[1, slotRules]]) }
const group = { path: '/g/ws_run-boot_run', hierarchy: '/g', name: 'ws_run-boot_run', processes: 3 }
const filesOf = (...paths: string[]) => ({ files: paths.map((path) => ({ path, changedAt: 0 })) })
const wholeFiles = [
  ...['vm', 'vm/ws_run', 'vm/ws_run/lock', 'vm/ws_run/disk.ext4', 'vm/ws_run/logs', 'vm/ws_run/logs/console.log', 'vm/ws_run/handle.json', 'vm/ws_run/run'],
  ...['vm/ws_run/run/boot_run', ...['agent.sock', 'qmp.sock', 'qmp2.sock'].map((name) => `vm/ws_run/run/boot_run/vm/${name}`)],
  ...['vm/ws_rest', 'vm/ws_rest/lock', 'vm/ws_rest/disk.ext4', 'vm/ws_rest/logs', 'vm/ws_move', 'vm/ws_move/anything'],
]
const images = { objects: new Map([[digest, undefined]]), pointers: new Map([['busybox', digest]]), damagedBootFiles: [], bootFiles: 2 }
const daemon = { pid: 9, threads: 11, zombies: [], listeners: ['127.0.0.1:8080'], files: 30, sockets: 4, deleted: [] }
const place = { now, isSettled: false }

/** What each comparison says of a whole system, and of one with a leak: the objects of its findings. */
const cases: readonly [name: string, whole: Judgement, leaks: readonly (readonly [Judgement, string])[]][] = [
  [
    'N1 processes',
    compareProcesses(steady(), { vmms: [vmm, { ...vmm, pid: 8, workspaceId: 'ws_move', bootId: 'boot_any' }], helpers: [{ pid: 6, workspaceId: 'ws_run' }] }),
    [
      [compareProcesses(steady(), { vmms: [], helpers: [] }), 'ws_run'],
      [compareProcesses(steady(), { vmms: [vmm, { ...vmm, pid: 8 }], helpers: [] }), 'ws_run'],
      [compareProcesses(steady(), { vmms: [vmm, { ...vmm, pid: 8, workspaceId: 'ws_rest' }], helpers: [] }), 'ws_rest process 8'],
      [compareProcesses(steady(), { vmms: [{ ...vmm, bootId: 'boot_old' }], helpers: [] }), 'ws_run process 7'],
      [compareProcesses(steady(), { vmms: [vmm], helpers: [{ pid: 6, workspaceId: 'ws_gone' }] }), 'ws_gone helper 6'],
    ],
  ],
  [
    'N2 identity',
    compareIdentities(steady(), { hostBootId: 'host', of: [identity] }),
    [
      [compareIdentities(steady(), { hostBootId: 'other', of: [identity] }), 'ws_run'],
      [compareIdentities(steady(), { hostBootId: 'host', of: [{ ...identity, record: undefined }] }), 'ws_run'],
      [compareIdentities(steady(), { hostBootId: 'host', of: [{ ...identity, process: { ...identity.process, startTicks: 71 } }] }), 'ws_run'],
      [compareIdentities(steady(), { hostBootId: 'host', of: [{ ...identity, process: { ...identity.process, uid: 1002 } }] }), 'ws_run'],
      [compareIdentities(steady(), { hostBootId: 'host', of: [{ ...identity, isLocked: false }] }), 'ws_run'],
      [compareIdentities(steady(), { hostBootId: 'host', of: [{ ...identity, workspaceId: 'ws_rest' }] }), 'ws_rest lock'],
    ],
  ],
  [
    'N3 links',
    compareLinks(steady(), names, wholeLinks),
    [
      [compareLinks(steady(), names, { ...wholeLinks, links: links.links.slice(0, 2) }), 'device vm1'],
      [compareLinks(steady(), names, { ...wholeLinks, routes: new Set() }), 'device vm1'],
      [compareLinks(steady(), names, { ...wholeLinks, outside: [] }), 'device uplink'],
      [compareLinks(steady(), names, { ...wholeLinks, links: [...links.links, { ...tap, name: 'vm3', alias: 'alcove:in:ws_rest:boot_rest' }] }), 'device vm3'],
      [
        compareLinks(steady(), names, { ...wholeLinks, links: [...links.links, { ...tap, name: 'eth9', alias: 'alcove:other:ws_run:boot_run' }] }),
        'device eth9',
      ],
      [compareLinks(steady(), names, { hasNamespace: false, links: [], routes: new Set(), outside: [] }), `namespace ${names.namespace}`],
    ],
  ],
  [
    'N4 rules',
    compareRules(steady(), names, rules),
    [
      [compareRules(steady(), names, { ...rules, inside: ['+ chain'] }), `rules of ${names.namespace}`],
      [compareRules(steady(), names, { ...rules, outside: ['- rule'] }), `table ip ${names.hostTable}`],
      [compareRules(steady(), names, { ...rules, strays: ['internet eth9'] }), 'element internet eth9'],
      [compareRules(steady(), names, { ...rules, slots: new Map() }), 'elements of slot 1'],
      [compareRules(steady(), names, { ...rules, slots: new Map([[1, { ...slotRules, allowInternet: false }]]) }), 'elements of slot 1'],
    ],
  ],
  [
    'N5 flows',
    compareFlows(steady(), parseFlows('tcp src=10.1.0.1 dst=1.1.1.1 src=1.1.1.1\nudp src=10.1.0.2 dst=1.1.1.1')),
    [[compareFlows(steady(), parseFlows('tcp src=10.1.0.9 dst=1.1.1.1')), 'flows of 10.1.0.9']],
  ],
  [
    'N6 cgroups',
    compareGroups(steady(), { groups: [group], emptyParents: [] }),
    [
      [compareGroups(steady(), { groups: [group, { ...group, path: '/g/x', name: 'ws_rest-boot_rest' }], emptyParents: [] }), 'group /g/x'],
      [compareGroups(steady(), { groups: [{ ...group, processes: 0 }], emptyParents: [] }), 'group /g/ws_run-boot_run'],
      [compareGroups(steady(rows([])), { groups: [], emptyParents: ['/g'] }), 'group /g'],
    ],
  ],
  [
    'N7 files',
    compareFiles(steady(), filesOf(...wholeFiles), place),
    [
      [compareFiles(steady(), filesOf(...wholeFiles, 'vm/ws_gone', 'vm/ws_gone/disk.ext4'), place), 'vm/ws_gone'],
      [compareFiles(steady(), filesOf(...wholeFiles, 'vm/ws_rest/run'), place), 'vm/ws_rest/run'],
      [compareFiles(steady(), filesOf(...wholeFiles, 'vm/ws_run/run/boot_old'), place), 'vm/ws_run/run/boot_old'],
      [compareFiles(steady(), filesOf(...wholeFiles, 'images/objects/.adding-1'), place), 'images/objects/.adding-1'],
      [compareFiles(steady(), filesOf(...wholeFiles.filter((path) => path !== 'vm/ws_rest/disk.ext4')), place), 'vm/ws_rest/disk.ext4'],
    ],
  ],
  [
    'N8 images',
    compareImages(steady(), images),
    [
      [compareImages(steady(), { ...images, objects: new Map([[digest, 'flipped']]) }), `image ${digest}`],
      [compareImages(steady(rows([])), { ...images, objects: new Map() }), 'name busybox'],
      [compareImages(steady(rows([row('ws_run', 'running', 1)])), { ...images, objects: new Map(), pointers: new Map() }), 'image of ws_run'],
      [compareImages(steady(), { ...images, damagedBootFiles: ['kernel-1'] }), 'boot/kernel-1'],
    ],
  ],
  [
    'N9 allocations',
    compareAllocations(steady(), now),
    [
      [compareAllocations(steady(rows([], { slots: [{ slot: 4, workspace_id: 'ws_gone', released_at: null }] })), now), 'slot 4'],
      [compareAllocations(steady(rows([], { slots: [{ slot: 4, workspace_id: null, released_at: now * 2 }] })), now), 'slot 4'],
      [compareAllocations(steady(rows([row('ws_run', 'running', null)])), now), 'slot of ws_run'],
      [compareAllocations(steady(rows([row('ws_run', 'running', 1), row('ws_two', 'running', 1)])), now), 'slot 1'],
    ],
  ],
  [
    'N10 usage',
    compareUsage(steady(), plain, [{ accountId: 'acc_a', usage: recount(plain, 'acc_a') }]),
    [
      [compareUsage(steady(), plain, [{ accountId: 'acc_a', usage: { ...recount(plain, 'acc_a'), currentSandboxes: 2 } }]), 'usage of acc_a'],
      [compareUsage(steady(rows([], { totals: [{ account_id: 'acc_a', total: 1 }] })), plain, []), 'account acc_a'],
      [compareUsage(steady(rows([row('ws_run', 'running', 1, { cpus: 2 })])), plain, []), 'workspace ws_run'],
    ],
  ],
  [
    'N11 deadlines',
    compareDeadlines(steady(), place),
    [
      [compareDeadlines(steady(), { now: now + 1_000_000, isSettled: false }), 'ws_move'],
      [compareDeadlines(steady(), { now, isSettled: true }), 'ws_move'],
      [compareDeadlines(steady(rows([row('ws_run', 'running', 1, { expires_at: now - 100_000 })])), place), 'ws_run time to live'],
      [compareDeadlines(steady(rows([], { operations: [{ id: 'op_1', workspace_id: 'ws_gone', verb: 'stop', created_at: 1 }] })), place), 'operation op_1'],
    ],
  ],
  [
    'N12 mounts',
    compareMounts(
      { realDataDir: '/data' },
      { mounts: parseMounts('1 2 0:3 / /data rw - ext4 /dev/a rw\n1 2 0:3 / /data/images rw - ext4 /dev/b rw'), loops: [] },
    ),
    [
      [compareMounts({ realDataDir: '/data' }, { mounts: parseMounts('1 2 0:3 / /data/a\\040b rw shared:1 - tmpfs none rw'), loops: [] }), 'mount /data/a b'],
      [compareMounts({ realDataDir: '/data' }, { mounts: [], loops: [{ device: 'loop0', file: '/data/vm/x' }] }), 'device /dev/loop0'],
    ],
  ],
  [
    'N13 control plane',
    compareControlPlane({ daemons: [daemon], told: ['127.0.0.1:8080'], known: [] }),
    [
      [compareControlPlane({ daemons: [{ ...daemon, zombies: [4] }], told: ['127.0.0.1:0'], known: [] }), 'daemon zombie 4'],
      [
        compareControlPlane({ daemons: [{ ...daemon, listeners: ['127.0.0.1:8080', '[::1]:9'] }], told: ['localhost:8080'], known: [] }),
        'daemon listener [::1]:9',
      ],
      [
        compareControlPlane({ daemons: [{ ...daemon, listeners: ['127.0.0.1:1', '127.0.0.1:2'] }], told: ['127.0.0.1:0'], known: ['127.0.0.1:1'] }),
        'daemon listener 127.0.0.1:2',
      ],
      [compareControlPlane({ daemons: [{ ...daemon, deleted: ['/data/x (deleted)'] }], told: ['127.0.0.1:8080'], known: [] }), 'daemon file /data/x (deleted)'],
      [compareControlPlane({ daemons: [daemon, daemon], told: ['127.0.0.1:8080'], known: [] }), 'daemons'],
    ],
  ],
  [
    'N14 database',
    compareIntegrity({ damage: [], dangling: [], auditRows: 3, broken: undefined, unrecorded: [] }),
    [
      [compareIntegrity({ damage: ['page 3'], dangling: [], auditRows: 3, broken: undefined, unrecorded: [] }), 'database'],
      [compareIntegrity({ damage: [], dangling: ['api_keys 1 → accounts'], auditRows: 3, broken: undefined, unrecorded: [] }), 'row api_keys 1 → accounts'],
      [compareIntegrity({ damage: [], dangling: [], auditRows: 3, broken: { seq: 2, message: 'row 2 was changed' }, unrecorded: [] }), 'audit chain'],
      [compareIntegrity({ damage: [], dangling: [], auditRows: 3, broken: undefined, unrecorded: ['op_1'] }), 'audit chain end'],
    ],
  ],
]

for (const [name, whole, leaks] of cases) {
  test(`${name}: a whole system has no finding`, () => assert.deepEqual(whole.findings, []))
  for (const [at, [judgement, object]] of leaks.entries()) {
    test(`${name}: leak ${at + 1} is the one finding, ${object}`, () => assert.deepEqual(objects(judgement), [object]))
  }
}

test('a temporary file is one of an operation under way until it is old; on a settled system none is', () => {
  const young = { files: [...filesOf(...wholeFiles).files, { path: 'credentials.json.ab.tmp', changedAt: now - 1000 }] }
  assert.deepEqual(objects(compareFiles(steady(), young, place)), [])
  assert.deepEqual(objects(compareFiles(steady(), young, { now, isSettled: true })), ['credentials.json.ab.tmp'])
})

test('helpers are those of our launcher only', () => {
  const launcher = ['sh', '/src/vmm/qemu/launcher.sh', 'parent', '/usr/bin/qemu', '-name', 'alcove:in:ws_a:boot_a']
  assert.equal(workspaceOfHelper(launcher, 'alcove:in', '/data'), 'ws_a')
  assert.equal(workspaceOfHelper(launcher, 'alcove:other', '/data'), undefined)
  assert.equal(workspaceOfHelper(['sh', '/src/vmm/qemu/launcher.sh', 'keep', '/data/vm/ws_b/logs/cmd.log'], 'alcove:in', '/data'), 'ws_b')
  assert.equal(workspaceOfHelper(['vi', '/data/vm/ws_b/logs/cmd.log'], 'alcove:in', '/data'), undefined)
})

test('addresses of /proc/net are read as people write them', () => {
  assert.equal(renderAddress('0100007F:1F90'), '127.0.0.1:8080')
  assert.equal(renderAddress('00000000000000000000000001000000:0050'), '[::1]:80')
  assert.equal(renderAddress('00000000000000000000000000000000:0050'), '[::]:80')
})
