/** The life of a workspace, for people. */
import type { IdlePolicy, Workspace } from '@alcove/sdk'
import { escapeText } from './text.ts'
import { renderDuration } from './workspace.ts'

/** Renders a workspace whose life was changed, on one line. */
export function renderLife({ id, mode, expires_at: expires }: Workspace): string {
  return `${escapeText(`${id} ${mode}${expires === undefined ? '' : `, expires ${expires}`}`)}\n`
}

/** Renders when a workspace sleeps. */
export function renderIdle({ suspend_after: sleep, stop_after: stop }: IdlePolicy): string {
  return `sleeps after ${renderDuration(sleep)}${stop === 0 ? '' : `, is stopped after ${renderDuration(stop)} more`}`
}
