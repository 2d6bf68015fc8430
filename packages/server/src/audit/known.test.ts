import assert from 'node:assert/strict'
import test from 'node:test'
import { type AuditRow, know, type Rows } from './known.ts'
import { compareProcesses } from './processes.ts'

const row = (id: string, status: AuditRow['status'], slot: number | null, version = 1) => ({ id, status, slot, version, boot_id: 'boot_a' }) as AuditRow

function rows(...workspaces: AuditRow[]): Rows {
  const slots = workspaces.flatMap(({ id, slot }) => (slot === null ? [] : [{ slot, workspace_id: id, released_at: null }]))
  return { installId: 'in', uidBase: 1000, workspaces, slots, operations: [], accounts: [], totals: [], lastEvent: 0 }
}

test('running and paused workspaces must have a VM, moving ones may, the others have none', () => {
  const all = rows(row('ws_a', 'running', 1), row('ws_b', 'paused', 2), row('ws_c', 'pausing', 3), row('ws_d', 'stopped', null), row('ws_e', 'failed', 5))
  const known = know(all, all, new Set(), new Set())
  assert.deepEqual(['ws_a', 'ws_b', 'ws_c', 'ws_d', 'ws_e', 'ws_never'].map(known.vm), ['must', 'must', 'may', 'none', 'none', 'none'])
})

test('what changed during the look is judged neither way', () => {
  const before = rows(row('ws_a', 'running', 1), row('ws_b', 'running', 2), row('ws_gone', 'deleting', 3))
  const after = rows(row('ws_a', 'running', 1, 2), row('ws_b', 'running', 4), row('ws_new', 'creating', 5))
  const known = know(before, after, new Set(['ws_brief']), new Set())
  assert.deepEqual(['ws_a', 'ws_b', 'ws_gone', 'ws_new', 'ws_brief'].map(known.vm), ['may', 'may', 'may', 'may', 'may'])
  assert.deepEqual([known.running, known.steady], [[], []])
  assert.deepEqual([...(known.holders.get(3) ?? [])], ['ws_gone'])
  assert.deepEqual(compareProcesses(known, { vmms: [], helpers: [] }).findings, [])
})

test('a workspace without a row is told apart: deleted, or never heard of', () => {
  const known = know(rows(), rows(), new Set(), new Set(['ws_old']))
  assert.match(known.describe('ws_old'), /was deleted/)
  assert.match(known.describe('ws_alien'), /never heard of/)
  assert.deepEqual([...known.strangers], ['ws_old', 'ws_alien'])
})
