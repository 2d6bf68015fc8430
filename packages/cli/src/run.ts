/** One run of the CLI: parse, act, report, and say how it went. */
import { CommanderError } from 'commander'
import type { Environment } from './environment.ts'
import { CliError, exitCodeOf, exitCodes, ReportedError } from './exit-codes.ts'
import { reportError } from './output/report.ts'
import { createProgram } from './program.ts'

/** Runs the CLI. @returns The exit code. Never rejects. */
export async function runCli(args: readonly string[], environment: Environment): Promise<number> {
  const end = args.indexOf('--')
  // Known before parsing, so that a mistake in the arguments is reported in the form that was asked for.
  const isJson = args.slice(0, end === -1 ? undefined : end).includes('--json')
  const interruption = new AbortController()
  const interrupt = () => interruption.abort(new CliError('interrupted', 'interrupted', exitCodes.interrupted))
  process.once('SIGINT', interrupt)
  process.once('SIGTERM', interrupt)
  try {
    const program = createProgram({ environment, signal: interruption.signal, isJson })
    await program.parseAsync(args.length > 0 ? args : ['--help'], { from: 'user' })
    return exitCodes.ok
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return exitCodes.ok
    const failure = error instanceof CommanderError ? new CliError('usage', error.message.replace(/^error: /, ''), exitCodes.usage) : error
    if (!(failure instanceof ReportedError)) reportError(failure, isJson)
    return exitCodeOf(failure)
  } finally {
    process.off('SIGINT', interrupt)
    process.off('SIGTERM', interrupt)
  }
}
