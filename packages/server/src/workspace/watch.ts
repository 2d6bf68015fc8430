/** What is looked at in every pass besides rows and VMs: moves that take too long, and VMs that run but do not work. */
import { movingStatuses } from '@alcove/contract'
import { AlcoveError } from '../lib/fail.ts'
import type { VmHealth } from '../runner/runner.ts'
import * as operations from '../store/operations.ts'
import type { WorkspaceRow } from '../store/workspaces.ts'
import * as workspaces from '../store/workspaces.ts'
import type { Control } from './control.ts'
import { noteHealth, transition } from './lifecycle.ts'

/** Time that a boot which was given up has to undo what it did, ms: longer than the kernel takes to end a VM that it ends at all. */
const unwindMs = 60_000

/** Ends every move whose deadline is over: no workspace stays in a moving state. */
export async function endOverdue(control: Control): Promise<void> {
  const { store, mailboxes, clock, log } = control
  for (const row of await workspaces.listByStatus(store.db, movingStatuses)) {
    if (row.deadline_at === null || row.deadline_at > clock.now()) continue
    log.error({ workspaceId: row.id, status: row.status, action: mailboxes.current(row.id) }, 'the workspace has not come to rest in time')
    const isUnwinding = row.deadline_at + unwindMs > clock.now()
    if ((row.status === 'creating' || row.status === 'starting') && isUnwinding) {
      mailboxes.abort(row.id, new AlcoveError('START_FAILED', { message: 'The virtual machine did not start in time.' }))
    } else {
      await giveUp(control, row)
    }
  }
}

const late = {
  code: 'STOP_FAILED',
  message: 'The virtual machine did not end in time; the host goes on trying. Look at the host: a process may hang in its kernel.',
}
const stuck = {
  code: 'START_FAILED',
  message: 'The virtual machine did not start in time, and what was begun does not end. Look at the log of the server; restarting it clears it away.',
}
const frozen = { code: 'vm_unresponsive', message: 'The virtual machine did not answer the host in time. Restart the workspace, or wait.' }

/** Where a move ends that was not done by its deadline. A delete has no other end than its own: it is tried for ever, and says so. */
async function giveUp({ store, clock, times }: Control, row: WorkspaceRow): Promise<void> {
  const by = { bootId: row.boot_id, actor: 'system', cause: 'deadline' } as const
  await store.transaction(async (tx) => {
    const now = clock.now()
    const failed = (failure: { code: string; message: string }) => ({
      patch: { deadline_at: null, failure: { ...failure, at: now } },
      reason: failure.message,
      ends: { status: 'failed', error: failure } as const,
    })
    if (row.status === 'creating') await transition(tx, row, { from: ['creating'], to: 'failed', ...by, ...failed(stuck) }, now)
    else if (row.status === 'starting') await transition(tx, row, { from: ['starting'], to: 'failed', ...by, ...failed(stuck) }, now)
    else if (row.status === 'stopping') await transition(tx, row, { from: ['stopping'], to: 'failed', ...by, ...failed(late) }, now)
    else if (row.status === 'pausing') await transition(tx, row, { from: ['pausing'], to: 'running', ...by, ...failed(frozen) }, now)
    else if (row.status === 'resuming') await transition(tx, row, { from: ['resuming'], to: 'paused', ...by, ...failed(frozen) }, now)
    else if (row.status === 'deleting') {
      if (row.operation_id !== null) await operations.end(tx, row.operation_id, { status: 'failed', error: late }, now)
      await workspaces.compareAndSet(tx, { id: row.id, from: ['deleting'] }, { deadline_at: now + times.moveDeadlineMs, operation_id: null }, now)
    }
  })
}

const failures: Record<Exclude<VmHealth['state'], 'ok' | 'paused'>, { readonly code: string; readonly message: string }> = {
  host_disk: { code: 'vm_paused', message: 'The virtual machine is paused: the host has no room for what it writes. It goes on by itself once there is.' },
  unresponsive: frozen,
}

/** Tells in its row whether a running VM works; one that stands still or runs against its row is put right. */
export async function watchHealth({ runner, store, mailboxes, clock, log }: Control): Promise<void> {
  for (const { workspaceId, bootId, state } of await runner.checkHealth()) {
    const row = await workspaces.findAny(store.db, workspaceId)
    if (row?.boot_id === bootId && mailboxes.current(workspaceId) === undefined) {
      if (row.status === 'running' && state === 'paused') await runner.resume(workspaceId, bootId)
      if (row.status === 'paused' && state === 'ok') await runner.pause(workspaceId, bootId)
    }
    const failure = state === 'ok' || state === 'paused' ? null : { ...failures[state], at: clock.now() }
    if (row?.boot_id !== bootId || row.status !== 'running' || row.failure?.code === failure?.code) continue
    const isNews = await store.transaction((tx) => noteHealth(tx, row, failure, clock.now()))
    if (isNews) log.warn({ workspaceId, state }, 'the virtual machine changed its health')
  }
}
