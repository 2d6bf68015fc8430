/** What a guest says of itself: a start command that prints, and its log, read until something is in it. */
import type { Workspaces } from '../../packages/sdk/src/index.ts'
import { eventually } from './vmm.ts'

/** A start command of several lines of shell that stays afterwards. */
export const staying = (script: string): string[] => ['sh', '-c', `${script}\nwhile :; do sleep 1000; done`]

/** Waits until a log matches; that of the start command unless told otherwise. */
export async function untilLogged(
  workspaces: Workspaces,
  id: string,
  pattern: RegExp,
  { timeoutMs = 60_000, source = 'cmd' }: { readonly timeoutMs?: number; readonly source?: 'boot' | 'cmd' } = {},
): Promise<RegExpExecArray> {
  let last = ''
  return eventually(
    `${pattern} in the log`,
    async () => {
      last = await workspaces.logs(id, { source, tail_lines: 2000 })
      return pattern.exec(last) ?? undefined
    },
    timeoutMs,
  ).catch((error: Error) => {
    throw new Error(`${error.message}; it has:\n${last.slice(-3000)}`)
  })
}
