/** `alcove lifecycle`: shows how long a workspace lives and what starts it again. */
import type { LastExit, LifecycleAnswer } from '@alcove/sdk'
import { Command } from 'commander'
import { addClientOptions, type Context, openWorkspaces } from '../context.ts'
import type { Credentials } from '../credentials.ts'
import { findWorkspaceId } from '../find-workspace.ts'
import { renderIdle } from '../output/lifecycle.ts'
import { print, printJson } from '../output/print.ts'
import { renderFields } from '../output/table.ts'

/** Makes the command. */
export function lifecycleCommand(context: Context): Command {
  const command = new Command('lifecycle').description('show mode, time to live and restarts of a workspace').argument('<workspace>', 'id or name')
  return addClientOptions(command).action(async (idOrName: string, flags: Partial<Credentials>) => {
    const workspaces = await openWorkspaces(flags, context)
    const lifecycle = await workspaces.lifecycle.get(await findWorkspaceId(workspaces, idOrName, context.signal), context)
    if (context.isJson) printJson(lifecycle)
    else print(render(lifecycle))
  })
}

function render(lifecycle: LifecycleAnswer): string {
  const { restart_info: restarts, max_restarts: most, ttl, ttl_action: action, idle } = lifecycle
  const withoutEffect = lifecycle.snapshot_supported ? '' : ` (without effect: ${lifecycle.snapshot_unavailable_reason ?? 'snapshots are not supported'})`
  return renderFields([
    ['mode', lifecycle.mode],
    ['status', lifecycle.status],
    ['time to live', ttl === null ? 'none' : `${ttl}, then ${action ?? 'stop'}`],
    ['expires', lifecycle.expires_at ?? undefined],
    ['on exit', lifecycle.remove_on_exit ? 'removed' : undefined],
    ['restart policy', most > 0 ? `${lifecycle.restart_policy}, at most ${most} times` : lifecycle.restart_policy],
    ['restarts', restarts === null ? undefined : `${restarts.restart_count}${restarts.gave_up ? ', given up' : ''}`],
    ['next attempt', restarts?.next_attempt_at ?? undefined],
    ['last exit', restarts?.last_exit ? renderExit(restarts.last_exit) : undefined],
    ['idle', idle === null ? undefined : renderIdle(idle) + withoutEffect],
  ])
}

/** Such as `the guest powered itself off (guest_poweroff, 2026-02-24T10:30:00Z)`. */
function renderExit({ cause, message, exit_code: code, signal, requested_by: who, at }: LastExit): string {
  const facts = [cause, ...(code === null ? [] : [`exit code ${code}`]), ...(signal === null ? [] : [signal]), ...(who === null ? [] : [`by ${who}`]), at]
  return `${message} (${facts.join(', ')})`
}
