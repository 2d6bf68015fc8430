/** The oracle of `script/chaos` must see what it is there to see: each broken promise is told, and a world that keeps them is not accused. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import type { Answer, Body, WorkspaceView } from '../../chaos/api.ts'
import type { Identity } from '../../chaos/identity.ts'
import { Oracle, type Verb } from '../../chaos/oracle.ts'

function oracleOf(t: TestContext): { oracle: Oracle; path: string } {
  const directory = mkdtempSync(join(tmpdir(), 'chaos-oracle-'))
  const path = join(directory, 'oracle.jsonl')
  const oracle = new Oracle(path)
  t.after(() => {
    oracle.close()
    rmSync(directory, { recursive: true })
  })
  return { oracle, path }
}

const view = (id: string, status: string, name = `name of ${id}`): WorkspaceView => ({ id, name, status, ip: '', uptime: 0, info: {} })
const answered = (status: number, body: Body = {}): Answer => ({ kind: 'answered', status, body, headers: new Headers(), ms: 1 })
const unanswered: Answer = { kind: 'unanswered', reason: 'cut', ms: 1 }
const identity = (bootId: string, pid = 7): Identity => ({ bootId, pid, key: `${bootId} pid ${pid} start 1` })
const running = (...ids: string[]) => new Map(ids.map((id) => [id, identity(`boot of ${id}`)]))

function create(oracle: Oracle, id: string, answer: Answer = answered(201, { workspace: view(id, 'running') })): void {
  oracle.ended(oracle.sent({ verb: 'create', account: 'a', name: `name of ${id}` }), answer)
}

function ask(oracle: Oracle, verb: Verb, workspaceId: string, answer: Answer = answered(200)): void {
  oracle.ended(oracle.sent({ verb, account: 'a', workspaceId }), answer)
}

test('a world that keeps its promises is not accused', (t) => {
  const { oracle } = oracleOf(t)
  create(oracle, 'ws_1')
  create(oracle, 'ws_2')
  create(oracle, 'ws_3', unanswered)
  create(oracle, 'ws_4', unanswered)
  ask(oracle, 'stop', 'ws_2')
  assert.deepEqual(oracle.check([view('ws_1', 'running'), view('ws_2', 'stopped'), view('ws_3', 'running')], running('ws_1', 'ws_3')), [])
  ask(oracle, 'delete', 'ws_1')
  ask(oracle, 'start', 'ws_2', unanswered)
  ask(oracle, 'delete', 'ws_3', unanswered)
  assert.deepEqual(oracle.check([view('ws_2', 'stopped'), view('ws_3', 'running')], running('ws_3')), [])
})

const broken: Record<string, { do: (oracle: Oracle) => void; see: WorkspaceView[]; living?: string[]; told: RegExp }> = {
  'an acknowledged create that is gone': { do: (oracle) => create(oracle, 'ws_1'), see: [], told: /ws_1 is gone/ },
  'an acknowledged delete that came back': {
    do(oracle) {
      create(oracle, 'ws_1')
      ask(oracle, 'delete', 'ws_1')
    },
    see: [view('ws_1', 'running')],
    living: ['ws_1'],
    told: /ws_1 is running, should be gone/,
  },
  'a stopped one that runs': {
    do(oracle) {
      create(oracle, 'ws_1')
      ask(oracle, 'stop', 'ws_1')
    },
    see: [view('ws_1', 'running')],
    living: ['ws_1'],
    told: /ws_1 is running, should be stopped/,
  },
  'one that stopped by itself': { do: (oracle) => create(oracle, 'ws_1'), see: [view('ws_1', 'stopped')], told: /should be running/ },
  'a create without an answer that is half done': { do: (oracle) => create(oracle, 'ws_1', unanswered), see: [view('ws_1', 'failed')], told: /ws_1 is failed/ },
  'a refused create that was done': {
    do: (oracle) => create(oracle, 'ws_1', answered(402)),
    see: [view('ws_1', 'running')],
    living: ['ws_1'],
    told: /was refused, and ws_1 is there/,
  },
  'one create that made two': {
    do: (oracle) => create(oracle, 'ws_1'),
    see: [view('ws_1', 'running'), view('ws_2', 'running', 'name of ws_1')],
    living: ['ws_1', 'ws_2'],
    told: /made 2 workspaces/,
  },
  'one that nobody asked for': { do: () => {}, see: [view('ws_9', 'stopped')], told: /nobody asked for name of ws_9/ },
  'a running one without a process': { do: (oracle) => create(oracle, 'ws_1'), see: [view('ws_1', 'running')], living: [], told: /no living process/ },
}

for (const [what, { do: act, see, living = [], told }] of Object.entries(broken)) {
  test(`told: ${what}`, (t) => {
    const { oracle } = oracleOf(t)
    act(oracle)
    assert.match(oracle.check(see, running(...living)).join('\n'), told)
  })
}

test('told: a virtual machine that was started anew though nobody asked; not told: one that was asked to', (t) => {
  const { oracle } = oracleOf(t)
  create(oracle, 'ws_1')
  assert.deepEqual(oracle.check([view('ws_1', 'running')], running('ws_1')), [])
  assert.match(oracle.check([view('ws_1', 'running')], new Map([['ws_1', identity('boot_2', 8)]])).join(), /started anew though nobody asked/)
  ask(oracle, 'restart', 'ws_1')
  assert.deepEqual(oracle.check([view('ws_1', 'running')], new Map([['ws_1', identity('boot_3', 9)]])), [])
})

test('told: a request without an answer that is done only after the world has come to rest without it', (t) => {
  const { oracle } = oracleOf(t)
  create(oracle, 'ws_1')
  ask(oracle, 'delete', 'ws_1', unanswered)
  assert.deepEqual(oracle.check([view('ws_1', 'running')], running('ws_1')), [])
  assert.match(oracle.check([], new Map()).join(), /ws_1 is gone, should be running/)
})

test('a request is on disk before it is sent', (t) => {
  const { oracle, path } = oracleOf(t)
  oracle.sent({ verb: 'delete', account: 'a', workspaceId: 'ws_1' })
  assert.match(readFileSync(path, 'utf8'), /"event":"sent".*"verb":"delete".*"workspaceId":"ws_1"/)
})
