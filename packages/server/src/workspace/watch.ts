/** What is looked at in every pass besides rows and VMs: moves that take too long, and VMs that run but do not work. */
import { movingStatuses } from '@alcove/contract'
import { AlcoveError } from '../lib/fail.ts'
import type { VmHealth } from '../runner/runner.ts'
import * as workspaces from '../store/workspaces.ts'
import type { Control } from './control.ts'
import { noteHealth } from './lifecycle.ts'

/** Gives up boots whose deadline is over. A stop or a delete is never given up: it has no other end than its own. */
export async function endOverdue({ store, mailboxes, clock, log }: Control): Promise<void> {
  const now = clock.now()
  for (const row of await workspaces.listByStatus(store.db, movingStatuses)) {
    if (row.deadline_at === null || row.deadline_at > now) continue
    log.error({ workspaceId: row.id, status: row.status, action: mailboxes.current(row.id) }, 'the workspace has not come to rest in time')
    if (row.status !== 'creating' && row.status !== 'starting') continue
    mailboxes.abort(row.id, new AlcoveError('START_FAILED', { message: 'The virtual machine did not start in time.' }))
  }
}

const failures: Record<Exclude<VmHealth['state'], 'ok'>, { readonly code: string; readonly message: string }> = {
  paused: { code: 'vm_paused', message: 'The virtual machine is paused: the host has no room for what it writes. It goes on by itself once there is.' },
  unresponsive: { code: 'vm_unresponsive', message: 'The virtual machine does not answer the host. Restart the workspace, or wait.' },
}

/** Tells in its row whether a running VM works. */
export async function watchHealth({ runner, store, clock, log }: Control): Promise<void> {
  for (const { workspaceId, bootId, state } of await runner.checkHealth()) {
    const row = await workspaces.findAny(store.db, workspaceId)
    const failure = state === 'ok' ? null : { ...failures[state], at: clock.now() }
    if (row?.boot_id !== bootId || row.status !== 'running' || row.failure?.code === failure?.code) continue
    const isNews = await store.transaction((tx) => noteHealth(tx, row, failure, clock.now()))
    if (isNews) log.warn({ workspaceId, state }, 'the virtual machine changed its health')
  }
}
