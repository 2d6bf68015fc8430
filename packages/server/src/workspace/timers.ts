/**
 * What is due: times to live and restarts. A due time is a column; a sweep finds it and the workspace's turn acts on it, so it acts once,
 * also after a restart of the daemon. @see clock-jump.ts for what a jump of the clock does to due times.
 */
import { messageOf } from '../lib/fail.ts'
import type { WorkspaceRow } from '../store/workspaces.ts'
import * as workspaces from '../store/workspaces.ts'
import { createJumpDetector } from './clock-jump.ts'
import type { Control } from './control.ts'
import { expireNow } from './expire.ts'
import { restartByPolicy } from './restart.ts'

/** Restarts by policy that are under way at the same time: more would only starve each other, and requests. */
const maxRestarts = 4

/** Acts on what is due. */
export interface Timers {
  /** Looks once and begins what is due; resolves when it is begun, not when it is done. */
  sweep(): Promise<void>
}

/** Makes the timers. */
export function createTimers(control: Control): Timers {
  const { store, clock, mailboxes, log } = control
  const jumps = createJumpDetector(control)
  const restarting = new Set<string>()

  const inTurn = (row: WorkspaceRow, action: 'expire' | 'recover', act: (row: WorkspaceRow, signal: AbortSignal) => Promise<unknown>) =>
    mailboxes
      .run(
        row.id,
        action,
        async (signal) => {
          const now = await workspaces.findAny(store.db, row.id)
          if (now) await act(now, signal)
        },
        { joins: false },
      )
      .catch((error) => log.warn({ workspaceId: row.id, reason: messageOf(error) }, 'what was due could not be done; it is tried again'))

  function restart(row: WorkspaceRow): void {
    if (restarting.has(row.id) || restarting.size >= maxRestarts) return
    restarting.add(row.id)
    const act = async (now: WorkspaceRow, signal: AbortSignal) => {
      const isDue = now.restart_at !== null && now.restart_at <= clock.now()
      if (isDue && (now.status === 'stopped' || now.status === 'failed')) await restartByPolicy(control, now, signal)
    }
    void inTurn(row, 'recover', act).finally(() => restarting.delete(row.id))
  }

  return {
    async sweep() {
      const now = await jumps.look()
      for (const row of await workspaces.listDue(store.db, now)) {
        if (mailboxes.current(row.id) !== undefined) continue
        if (row.expires_at !== null && row.expires_at <= now) void inTurn(row, 'expire', (due) => expireNow(control, due))
        else restart(row)
      }
    },
  }
}
