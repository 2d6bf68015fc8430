/** Finishing what a row says was under way, when no turn is doing it: after the daemon died, or after a step failed that may be repeated. */
import { fail } from '../lib/fail.ts'
import { newId } from '../lib/ids.ts'
import * as accounts from '../store/accounts.ts'
import * as slots from '../store/slots.ts'
import type { WorkspaceRow } from '../store/workspaces.ts'
import * as workspaces from '../store/workspaces.ts'
import type { Control } from './control.ts'
import { provision } from './create.ts'
import { finishStart, restartNow, stopNow } from './power.ts'
import { finishRemoval } from './remove.ts'

/** Finishes the move of a row, unless it has ended or changed meanwhile. */
export async function resume(control: Control, row: WorkspaceRow): Promise<unknown> {
  // A create is joined by whoever sends it again; no verb joins the others.
  const action = row.status === 'creating' ? 'create' : row.status === 'deleting' ? 'delete' : 'resume'
  return control.mailboxes.run(row.id, action, async (signal) => {
    const now = await workspaces.findAny(control.store.db, row.id)
    // A turn may have ended between the look and this one: what it made must not be torn down.
    if (now?.status !== row.status || now.boot_id !== row.boot_id) return now
    return finish(control, now, signal)
  })
}

async function finish(control: Control, row: WorkspaceRow, signal: AbortSignal): Promise<unknown> {
  switch (row.status) {
    case 'deleting':
      return finishRemoval(control, row, 'system').then(() => true)
    case 'stopping': {
      if (row.desired !== 'running') return stopNow(control, row, { actor: 'system' })
      // A restart that was cut off while it stopped still wants the VM to run.
      const { plan } = await accounts.get(control.store.db, row.account_id)
      return restartNow(control, row, { actor: 'system', plan }, signal)
    }
    case 'creating':
      return provision(control, await renew(control, row), 'system', signal, () => true)
    case 'starting':
      return finishStart(control, await renew(control, row), 'system', signal)
    default:
      return row
  }
}

/** Clears away what a cut-off boot left and gives the row a new one. */
async function renew(control: Control, row: WorkspaceRow): Promise<WorkspaceRow> {
  const { store, runner, clock, times } = control
  const slot = (await slots.find(store.db, row.id)) ?? null
  await runner.shutdown({ workspaceId: row.id, slot }, 0)
  const now = clock.now()
  const patch = { boot_id: newId('boot'), deadline_at: now + times.moveDeadlineMs }
  const renewed = await store.transaction((tx) => workspaces.compareAndSet(tx, { id: row.id, from: [row.status], bootId: row.boot_id }, patch, now))
  return renewed ?? fail('conflict', { message: 'The workspace was changed while it was recovered.' })
}
