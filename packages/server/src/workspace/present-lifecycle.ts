/** Lifecycle and resources of a row, as the API shows them. Pure. */
import type { LifecycleAnswer, Resources } from '@alcove/contract'
import type { WorkspaceRow } from '../store/workspaces.ts'
import { needsRestart, uptimeOf } from './present.ts'
import { policyOf, ttlMs } from './restart-policy.ts'

const noSnapshots = 'This server cannot save the memory of a virtual machine yet: idle policies are stored and have no effect, and suspending is pausing.'

/** The answer of `GET …/lifecycle`. */
export function presentLifecycle(row: WorkspaceRow, now: number): Omit<LifecycleAnswer, 'success'> {
  const { config } = row
  const lives = ttlMs(row) !== undefined
  const expires_at = isoOrNull(row.expires_at)
  return {
    mode: row.mode,
    status: row.status,
    restart_policy: policyOf(row),
    max_restarts: config.max_restarts,
    restart_info: presentRestarts(row),
    ttl: lives ? (config.ttl ?? null) : null,
    ttl_action: lives ? config.ttl_action : null,
    remove_on_exit: config.remove_on_exit,
    uptime: uptimeOf(row, now),
    expires_at,
    ttl_expires_at: expires_at,
    created_at: new Date(row.created_at).toISOString(),
    idle: config.idle ?? null,
    pause_supported: true,
    snapshot_supported: false,
    snapshot_unavailable_reason: noSnapshots,
  }
}

/** What the restart policy did and will do; `null` while no VM has ended and there is no policy. */
function presentRestarts(row: WorkspaceRow): LifecycleAnswer['restart_info'] {
  const { last_exit, config, restart_at, restart_count } = row
  const policy = policyOf(row)
  if (last_exit === null && policy === 'no') return null
  const isAtRest = row.status === 'stopped' || row.status === 'failed'
  const wouldGoOn = policy === 'always' || (policy === 'on-failure' && row.failure !== null)
  return {
    restart_count,
    max_restarts: config.max_restarts,
    gave_up: isAtRest && !row.user_requested_stop && wouldGoOn && config.max_restarts > 0 && restart_count >= config.max_restarts && restart_at === null,
    next_attempt_at: isoOrNull(restart_at),
    last_exit:
      last_exit === null
        ? null
        : {
            cause: last_exit.cause,
            clean: ['stop', 'restart', 'ttl', 'remove', 'guest_poweroff', 'guest_reboot'].includes(last_exit.cause),
            exit_code: last_exit.exitCode,
            signal: last_exit.signal,
            requested_by: last_exit.requestedBy,
            message: last_exit.message,
            at: new Date(last_exit.at).toISOString(),
          },
  }
}

/** The resources of a row. */
export function presentResources(row: WorkspaceRow): Resources {
  return {
    cpus: row.cpus,
    memory_mb: row.memory_mb,
    writable_size_mb: row.disk_mb,
    disk_size_mb: row.disk_mb,
    cpu_config: { quota: 'standard' },
    status: row.status,
    restart_required: needsRestart(row),
  }
}

function isoOrNull(at: number | null): string | null {
  return at === null ? null : new Date(at).toISOString()
}
