/** Finishing what a row says was under way, when no turn is doing it: after the daemon died, or after a step failed that may be repeated. */
import { AlcoveError, fail } from '../lib/fail.ts'
import { newId } from '../lib/ids.ts'
import * as accounts from '../store/accounts.ts'
import * as operations from '../store/operations.ts'
import * as slots from '../store/slots.ts'
import type { WorkspaceRow } from '../store/workspaces.ts'
import * as workspaces from '../store/workspaces.ts'
import type { Caller } from './caller.ts'
import type { Control } from './control.ts'
import { provision } from './create.ts'
import { finishPause, finishResume } from './freeze.ts'
import { endVm, finishRestart, finishStart, finishStop } from './power.ts'
import { finishRemoval } from './remove.ts'
import { keepTrying } from './restart.ts'

/** Finishes the move of a row in a turn of its own, unless it has ended or changed meanwhile. */
export async function recover(control: Control, row: WorkspaceRow): Promise<unknown> {
  // A delete is joined by whoever sends it again; no verb joins the others.
  const action = row.status === 'deleting' ? 'delete' : 'recover'
  return control.mailboxes.run(row.id, action, async (signal) => {
    const now = await workspaces.findAny(control.store.db, row.id)
    // A turn may have ended between the look and this one: what it made must not be torn down.
    if (now?.status !== row.status || now.boot_id !== row.boot_id) return now
    return finishMove(control, now, signal)
  })
}

/** Finishes the move of a row, in a turn that the caller has. */
export async function finishMove(control: Control, row: WorkspaceRow, signal: AbortSignal): Promise<unknown> {
  const caller = await callerOf(control, row)
  switch (row.status) {
    case 'deleting':
      return finishRemoval(control, row).then(() => true)
    case 'stopping': {
      await endVm(control, row)
      // A restart that was cut off while it stopped still wants the VM to run.
      return row.desired === 'running' ? finishRestart(control, row, caller, signal) : finishStop(control, row, caller)
    }
    case 'pausing':
      return finishPause(control, row, caller)
    case 'resuming':
      return finishResume(control, row, caller)
    case 'creating':
      return provision(control, await renew(control, row), caller, signal, () => true)
    case 'starting':
      return finishStart(control, await renew(control, row), caller, signal, keepTrying(control, row, caller))
    default:
      return row
  }
}

/** Whoever began the move, as far as its operation tells. */
async function callerOf({ store }: Control, row: WorkspaceRow): Promise<Caller> {
  const operation = row.operation_id === null ? undefined : await operations.find(store.db, row.operation_id)
  const { plan } = await accounts.get(store.db, row.account_id)
  return { actor: operation?.actor ?? 'system', cause: operation?.cause ?? 'recovery', plan, operationId: row.operation_id ?? newId('op') }
}

/** Clears away what a cut-off boot left and gives the row a new one. */
async function renew(control: Control, row: WorkspaceRow): Promise<WorkspaceRow> {
  const { store, runner, clock, times } = control
  const slot = (await slots.find(store.db, row.id)) ?? null
  await runner.shutdown({ workspaceId: row.id, slot }, 0)
  const now = clock.now()
  const patch = { boot_id: newId('boot'), generation: row.generation + 1, deadline_at: now + times.moveDeadlineMs }
  const renewed = await store.transaction((tx) => workspaces.compareAndSet(tx, { id: row.id, from: [row.status], bootId: row.boot_id }, patch, now))
  return renewed ?? fail('conflict', { message: 'The workspace was changed while it was recovered.' })
}

/** Operations that no workspace is at any more did nothing, or nothing more: they end, so that nobody waits for them. */
export async function endAbandoned({ store, clock }: Control): Promise<void> {
  const error = new AlcoveError('service_unavailable', { message: 'The server ended before the operation did; what it had begun was put in order.' })
  for (const { id } of await operations.listAbandoned(store.db)) {
    await store.transaction((tx) => operations.end(tx, id, { status: 'failed', error: { code: error.code, message: error.message } }, clock.now()))
  }
}
