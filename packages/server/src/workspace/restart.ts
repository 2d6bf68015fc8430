/** Restarts by policy: what follows the end of a VM is written with that end, and done when it is due. */
import { messageOf } from '../lib/fail.ts'
import * as accounts from '../store/accounts.ts'
import * as events from '../store/events.ts'
import type { WorkspacePatch, WorkspaceRow } from '../store/workspaces.ts'
import * as workspaces from '../store/workspaces.ts'
import { bySystem, type Caller } from './caller.ts'
import type { Control } from './control.ts'
import { eventOf } from './lifecycle.ts'
import { admitStart, finishStart } from './power.ts'
import { restartDelay, type Sequel, sequelOfFailedRestart } from './restart-policy.ts'

/** Columns that say what follows. */
export function patchOf(sequel: Exclude<Sequel, { kind: 'remove' }>): Pick<WorkspacePatch, 'restart_at' | 'restart_count'> {
  return { restart_at: sequel.kind === 'restart' ? sequel.at : null, restart_count: sequel.restartCount }
}

/** What follows a start by the policy that failed; a start that a user asked for is the user's to repeat. */
export function keepTrying({ clock, random }: Pick<Control, 'clock' | 'random'>, row: WorkspaceRow, { cause }: Pick<Caller, 'cause'>) {
  return (): WorkspacePatch => {
    if (cause !== 'restart_policy' && cause !== 'host_reboot') return {}
    const sequel = sequelOfFailedRestart(row, { now: clock.now(), random: random() })
    return sequel.kind === 'remove' ? {} : patchOf(sequel)
  }
}

/** Starts the VM of a row whose restart is due, in a turn that the caller has. */
export async function restartByPolicy(control: Control, row: WorkspaceRow, signal: AbortSignal): Promise<void> {
  const { store } = control
  const { plan } = await accounts.get(store.db, row.account_id)
  const byReboot = row.last_exit?.cause === 'host_reboot'
  const caller = bySystem(byReboot ? 'host_reboot' : 'restart_policy', plan)
  const patch = { restart_count: byReboot ? row.restart_count : row.restart_count + 1 }
  try {
    const starting = await store.transaction((tx) => admitStart(control, tx, row, caller, { verb: 'restart', patch }))
    await finishStart(control, starting, caller, signal, keepTrying(control, starting, caller))
  } catch (error) {
    control.log.warn({ workspaceId: row.id, reason: messageOf(error) }, 'a restart by the policy failed')
    await defer(control, row, error)
  }
}

/** A restart that could not begin, such as one for which the pool has no room, is tried again later; no attempt is used up. */
async function defer({ store, clock, random }: Control, row: WorkspaceRow, error: unknown): Promise<void> {
  await store.transaction(async (tx) => {
    const now = clock.now()
    const restart_at = now + restartDelay(row.restart_count + 5, random())
    const changed = await workspaces.compareAndSet(tx, { id: row.id, from: [row.status], bootId: row.boot_id }, { restart_at }, now)
    if (!changed) return
    const states = { type: 'restart', from_status: row.status, to_status: row.status, actor: 'system', cause: 'restart_policy' } as const
    await events.append(tx, {
      ...eventOf(row, now),
      ...states,
      reason: `The restart is put off: ${messageOf(error)}`,
      data: { next_attempt_at: new Date(restart_at).toISOString() },
    })
  })
}
