/** The end of a time to live. */
import { movingStatuses } from '@alcove/contract'
import { AlcoveError, messageOf } from '../lib/fail.ts'
import * as accounts from '../store/accounts.ts'
import type { WorkspaceRow } from '../store/workspaces.ts'
import * as workspaces from '../store/workspaces.ts'
import { bySystem } from './caller.ts'
import type { Control } from './control.ts'
import { pauseNow } from './freeze.ts'
import { stopNow } from './power.ts'
import { finishRemoval, moveToDeleting } from './remove.ts'

/** Pause before an action that failed is tried again, ms. */
const retryMs = 30_000

/** Does what is to be done with a workspace whose time is over, in a turn that the caller has; a time that was prolonged meanwhile is not over. */
export async function expireNow(control: Control, row: WorkspaceRow): Promise<void> {
  const { store, clock, log } = control
  const due = row.expires_at
  if (due === null || due > clock.now()) return
  // What moves without a turn is brought to rest by the next pass; only then is it known what the action does.
  if (row.config.ttl_action !== 'remove' && (movingStatuses as readonly string[]).includes(row.status)) return
  try {
    await act(control, row, due)
    await postpone(control, row, due, null)
  } catch (error) {
    const now = await workspaces.findAny(store.db, row.id)
    if (now?.expires_at !== due) return
    log.warn({ workspaceId: row.id, reason: messageOf(error) }, 'the action at the end of a time to live failed; it is tried again')
    await postpone(control, row, due, clock.now() + retryMs)
  }
}

async function act(control: Control, row: WorkspaceRow, due: number): Promise<void> {
  const { store, clock } = control
  const isStillDue = (now: WorkspaceRow) => now.expires_at === due
  const action = row.config.ttl_action
  if (action === 'remove') {
    const deleting = await store.transaction((tx) => moveToDeleting(control, tx, row, 'ttl', clock.now(), isStillDue))
    await finishRemoval(control, deleting).catch((error) => {
      // The tombstone is set: what is left is removed by the next pass.
      if (!(error instanceof AlcoveError)) throw error
    })
    return
  }
  const { plan } = await accounts.get(store.db, row.account_id)
  const caller = { ...bySystem('ttl', plan), guard: isStillDue }
  // Snapshots are not supported yet: what would be suspended is paused.
  if (action === 'stop' && (row.status === 'running' || row.status === 'paused')) await stopNow(control, row, caller)
  else if (action !== 'stop' && row.status === 'running') await pauseNow(control, row, caller)
}

/** Ends or moves a time that was acted on, unless it was changed meanwhile. */
async function postpone({ store, clock }: Control, row: WorkspaceRow, due: number, expires_at: number | null): Promise<void> {
  await store.transaction(async (tx) => {
    const now = await workspaces.findAny(tx, row.id)
    if (now?.expires_at === due) await workspaces.update(tx, row.id, { expires_at }, clock.now())
  })
}
