/** `alcove rm`: deletes workspaces, after asking on a terminal. */
import { confirm, isCancel } from '@clack/prompts'
import { Command } from 'commander'
import { addChangeOptions, type ChangeFlags, changeOptions } from '../change-options.ts'
import { addClientOptions, type Context, openWorkspaces } from '../context.ts'
import type { Credentials } from '../credentials.ts'
import { CliError, exitCodeOf, exitCodes, ReportedError, usageError } from '../exit-codes.ts'
import { findWorkspaceId } from '../find-workspace.ts'
import { print, printJson } from '../output/print.ts'
import { startProgress } from '../output/progress.ts'
import { envelopeOf, reportError } from '../output/report.ts'
import { escapeText } from '../output/text.ts'

interface Flags extends ChangeFlags, Partial<Credentials> {
  readonly yes?: boolean
}

interface Failure {
  readonly workspace: string
  readonly error: unknown
}

/** Makes the command. */
export function rmCommand(context: Context): Command {
  const command = new Command('rm')
    .alias('delete')
    .description('delete workspaces with all their data')
    .argument('<workspace...>', 'ids or names')
    .option('-y, --yes', 'do not ask')
  return addClientOptions(addChangeOptions(command)).action(async (idsOrNames: string[], flags: Flags) => {
    if (idsOrNames.length > 1 && (flags.ifGeneration !== undefined || flags.idempotencyKey !== undefined)) {
      throw usageError('--if-generation and --idempotency-key are about one workspace; give one')
    }
    const workspaces = await openWorkspaces(flags, context)
    if (!flags.yes) await askFirst(idsOrNames, context)
    const deleted: string[] = []
    const failures: Failure[] = []
    for (const workspace of new Set(idsOrNames)) {
      const progress = startProgress(context, `deleting ${workspace}`)
      try {
        const id = await findWorkspaceId(workspaces, workspace, context.signal)
        await workspaces.delete(id, changeOptions(flags, context))
        deleted.push(id)
        progress.end()
        if (!context.isJson) print(`${escapeText(id)}\n`)
      } catch (error) {
        progress.end()
        context.signal.throwIfAborted()
        failures.push({ workspace, error })
        if (!context.isJson) reportError(error, false)
      }
    }
    report(deleted, failures, context)
  })
}

/** A script has no terminal to be asked on and has said what it wants; a person may have mistyped. */
async function askFirst(names: readonly string[], { isJson, signal }: Context): Promise<void> {
  if (isJson || !process.stdin.isTTY || !process.stderr.isTTY) return
  const message = `Delete ${names.map(escapeText).join(', ')} with all data?`
  const answer = await confirm({ message, initialValue: false, output: process.stderr, signal })
  if (isCancel(answer)) throw new CliError('interrupted', 'nothing was deleted', exitCodes.interrupted)
  if (!answer) throw new CliError('declined', 'nothing was deleted', exitCodes.failure)
}

function report(deleted: readonly string[], failures: readonly Failure[], { isJson }: Context): void {
  const [first] = failures
  if (isJson) {
    const failed = failures.map(({ workspace, error }) => ({ workspace, ...envelopeOf(error) }))
    printJson(first ? { ...envelopeOf(first.error), deleted, failed } : { success: true, deleted })
  }
  if (first) throw new ReportedError(exitCodeOf(first.error))
}
