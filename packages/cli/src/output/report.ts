/** Failures, for people and for machines. */
import { AlcoveError } from '@alcove/sdk'
import { CliError } from '../exit-codes.ts'
import { printJson } from './print.ts'
import { escapeText } from './text.ts'

/** Prints a failure: with `--json` its envelope on standard output, else one line and hints on standard error. */
export function reportError(error: unknown, isJson: boolean): void {
  if (isJson) printJson(envelopeOf(error))
  else process.stderr.write(renderError(error))
}

/** The envelope of the API, for failures of the CLI and of the connection too. */
export function envelopeOf(error: unknown): Record<string, unknown> {
  const { code, requestId, details } = fieldsOf(error)
  return { success: false, error: code, code, message: messageOf(error), ...(details ? { details } : {}), ...(requestId ? { requestId } : {}) }
}

/** Renders a failure for people: `error: message (CODE, request id)` and one line for each detail. */
export function renderError(error: unknown): string {
  const { code, requestId, details } = fieldsOf(error)
  const origin = [code, ...(requestId ? [`request ${requestId}`] : [])].join(', ')
  const hints = Object.entries(details ?? {}).map(([name, value]) => `  ${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
  return [`error: ${messageOf(error).replaceAll(/\s*\n\s*/g, ' ')} (${origin})`, ...hints].map((line) => `${escapeText(line)}\n`).join('')
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function fieldsOf(error: unknown): { code: string; requestId?: string | undefined; details?: Readonly<Record<string, unknown>> | undefined } {
  if (error instanceof AlcoveError) return error
  return { code: error instanceof CliError ? error.code : 'failure' }
}
