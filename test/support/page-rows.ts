/** The parameter tables of the workspaces page, row by row: what each field takes, what it becomes, and what is refused. */

/** One row of a table. */
export interface PageRow {
  readonly field: string
  /** What is stored when the field is absent; `undefined` where nothing is. */
  readonly preset: unknown
  /** Values that are taken, each with what is stored for it; a single entry is stored as it was given. */
  readonly taken: readonly (readonly [given: unknown, stored: unknown] | readonly [given: unknown])[]
  readonly refused: readonly unknown[]
}

const notIntegers = ['2', '', true, null, [], {}, [2], 1.5, -1]
const notBooleans = ['true', 'false', '', 0, 1, null, [], {}]
const switchRow = (field: string, preset: boolean): PageRow => ({ field, preset, taken: [[true], [false]], refused: notBooleans })

/** The table "Config object". */
export const configRows: readonly PageRow[] = [
  { field: 'cpus', preset: 1, taken: [[1], [2], [32]], refused: [0, 33, ...notIntegers] },
  { field: 'memory_mb', preset: 512, taken: [[128], [512], [65_536]], refused: [0, 127, 65_537, 512.5, ...notIntegers] },
  { field: 'writable_size_mb', preset: 512, taken: [[64], [1024], [204_800]], refused: [0, 63, 204_801, 64.5, ...notIntegers] },
  {
    field: 'ttl',
    preset: undefined,
    taken: [['30m'], ['1h'], ['24h'], ['7d'], ['45s'], ['3600', '3600s'], [3600, '3600s'], [1, '1s']],
    refused: ['', '0', '0m', '-1h', '1.5h', '1w', '1 h', 'h', '1h\n', 'soon', 0, -1, 1.5, true, null, [], {}, ['1h']],
  },
  { field: 'ttl_action', preset: 'stop', taken: [['stop'], ['remove'], ['pause'], ['suspend']], refused: ['', 'delete', 'STOP', 1, true, null, [], {}] },
  switchRow('remove_on_exit', false),
  { field: 'restart_policy', preset: 'no', taken: [['no'], ['always'], ['on-failure']], refused: ['', 'never', 'Always', 'on_failure', 0, true, null, [], {}] },
  { field: 'max_restarts', preset: 0, taken: [[0], [5], [1_000_000]], refused: [-1, 0.5, 1_000_001, '5', true, null, [], {}] },
  switchRow('keep_logs', true),
  switchRow('static_network', false),
  {
    field: 'network_config',
    preset: { allow_internet: true, public_ingress: false },
    taken: [
      [{}, { allow_internet: true, public_ingress: false }],
      [{ allow_internet: false }, { allow_internet: false, public_ingress: false }],
      [{ public_ingress: true }, { allow_internet: true, public_ingress: true }],
      [{ allow_internet: true, public_ingress: false }],
    ],
    refused: [
      null,
      [],
      true,
      'open',
      1,
      { allow: true },
      ...notBooleans.map((value) => ({ allow_internet: value })),
      ...notBooleans.map((value) => ({ public_ingress: value })),
    ],
  },
  switchRow('ssh_access', false),
  {
    field: 'env',
    preset: [],
    taken: [
      [[]],
      [[{ key: 'NODE_ENV', value: 'production' }]],
      [[{ key: '_a1', value: '' }]],
      [
        ['K=V=W', { key: 'B', value: '\u{1f600} é' }],
        [
          { key: 'K', value: 'V=W' },
          { key: 'B', value: '\u{1f600} é' },
        ],
      ],
    ],
    refused: [
      null,
      true,
      1,
      'A=b',
      {},
      { A: 'b' },
      [1],
      [null],
      [[]],
      ['A'],
      ['=b'],
      ['1A=b'],
      [{ key: 'A' }],
      [{ value: 'b' }],
      [{ key: '', value: 'b' }],
      [{ key: '1A', value: 'b' }],
      [{ key: 'A-B', value: 'b' }],
      [{ key: 'A=B', value: 'b' }],
      [{ key: 1, value: 'b' }],
      [{ key: 'A', value: 1 }],
      [{ key: 'A', value: null }],
      [{ key: 'A', value: 'b', more: 1 }],
      [{ key: 'A', value: 'a\0b' }],
      Array.from({ length: 257 }, (_, index) => `A${index}=`),
    ],
  },
  {
    field: 'cmd',
    preset: undefined,
    taken: [[['node', 'server.js']], [['true']], [['sh', '-c', '']], ['node server.js && true']],
    refused: [[], [''], '', [1], [null], ['a', 1], ['a\0b'], 'a\0b', null, true, 1, {}],
  },
  {
    field: 'workloads',
    preset: [],
    taken: [
      [[]],
      [[{ cmd: ['sleep', '1'], name: 'one', env: ['A=b'], restart_policy: 'always' }]],
      [[{ cmd: ['sleep', '1'], env: { A: 'b' }, restart: 'no' }], [{ cmd: ['sleep', '1'], env: ['A=b'], restart_policy: 'never' }]],
    ],
    refused: [
      null,
      {},
      true,
      'run',
      [1],
      [{}],
      [{ cmd: 'sleep 1' }],
      [{ cmd: [] }],
      [{ cmd: [''] }],
      [{ cmd: ['a'], comand: 1 }],
      [{ cmd: ['a'], env: ['A'] }],
    ],
  },
  switchRow('wait_for_init', false),
  { field: 'proxy_assignment_id', preset: undefined, taken: [[42]], refused: [0, 43, -42, 42.5, '42', true, null, [], {}, 2 ** 31] },
]

/** The table "Parameters" of create, without `config`; the code is that of a refusal. */
export const createRows: readonly (PageRow & { readonly code: string })[] = [
  {
    field: 'namespace',
    code: 'INVALID_NAMESPACE',
    preset: null,
    taken: [['production'], ['a'], ['A-1'], ['x'.repeat(128)], [null]],
    refused: ['', 'a b', 'a_b', 'a.b', 'a/b', 'é', 'a\n', 'x'.repeat(129), 1, true, [], {}],
  },
  {
    field: 'name',
    code: 'INVALID_NAME_LENGTH',
    preset: undefined,
    taken: [['x'], ['x'.repeat(255)], ['é'.repeat(255)], ['\u{1f600}'.repeat(255)]],
    refused: ['x'.repeat(256), '\u{1f600}'.repeat(256)],
  },
  {
    field: 'name',
    code: 'validation_error',
    preset: undefined,
    taken: [['a b'], ['名前'], ['<b>&amp;'], ["'; drop table --"]],
    refused: [1, true, null, [], {}, 'a\nb', 'a\0', '\ud800'],
  },
  {
    field: 'image',
    code: 'INVALID_IMAGE',
    preset: undefined,
    taken: [['busybox'], ['alcove/busybox']],
    refused: ['', ' ', 'nothing-1', 'BUSYBOX', 'busybox ', '../busybox', 1, true, null, [], {}, ['busybox'], 'x'.repeat(513)],
  },
  {
    field: 'mode',
    code: 'validation_error',
    preset: 'temporary',
    taken: [['permanent'], ['temporary']],
    refused: ['', 'forever', 'Permanent', 1, true, null, [], {}],
  },
  { field: 'type', code: 'validation_error', preset: undefined, taken: [['web'], ['']], refused: [1, true, null, [], {}, 'x'.repeat(65), 'a\nb'] },
]

/** The table "Query parameters" of list. */
export const listRows: readonly { readonly parameter: string; readonly taken: readonly string[]; readonly refused: readonly string[] }[] = [
  { parameter: 'page', taken: ['1', '2', '1000000'], refused: ['', '0', '-1', '1.5', 'x', '1e3', '0x1', '%00', 'NaN', '99999999999999999999'] },
  { parameter: 'limit', taken: ['1', '20', '100', '101', '1000000'], refused: ['', '0', '-1', '1.5', 'x', '%20', 'Infinity'] },
  { parameter: 'mode', taken: ['permanent', 'temporary'], refused: ['', 'x', 'Permanent', 'permanent&mode=temporary', 'null'] },
]
