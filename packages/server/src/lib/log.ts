/** Structured log lines; the only thing the server prints after it has started. */
import { type Logger, pino } from 'pino'

export type { Logger }

/** Levels, least severe first. */
export const logLevels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const
export type LogLevel = (typeof logLevels)[number]

/** A logger that writes JSON lines to standard output and never a secret. */
export function createLogger(level: LogLevel): Logger {
  return pino({
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    redact: { paths: ['*.clientSecret', '*.password', '*.token', 'headers["x-client-secret"]', 'headers.authorization'], censor: '[redacted]' },
  })
}
