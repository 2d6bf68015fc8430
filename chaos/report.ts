/** What is said of a run: one object for programs, one row for people. */
import type { Result, Size } from './figure.ts'

/** A result with everything that is needed to repeat it. */
export interface Report extends Result {
  readonly id: string
  readonly title: string
  readonly seed: number
  readonly size: Size
  readonly isFull: boolean
  /** When it began, ISO 8601, UTC. */
  readonly date: string
  readonly durationMs: number
}

/** Columns that every table has. */
export const columns = ['figure', 'promise', 'count', 'verdict', 'found', 'times, ms', 'control', 'auditor', 'seed', 'duration'] as const

/** The cells of a report, one for each of {@link columns}. */
export function cells({ id, title, size, verdict, counts, latencies = {}, control, audit, seed, durationMs }: Report): string[] {
  const times = Object.entries(latencies).map(([name, { p50, p99, max, n }]) => `${name} p50 ${p50}, p99 ${p99}, max ${max} (n ${n})`)
  return [
    id,
    title,
    String(size.count),
    verdict,
    Object.entries(counts)
      .map(([name, value]) => `${name.replaceAll('_', ' ')} ${value}`)
      .join(', '),
    times.join('; '),
    control ? `${control.name}: ${control.failedAsItMust ? 'failed as it must' : 'was not detected'}` : '',
    audit === undefined ? '' : audit === 'clean' ? 'clean' : `${audit.length} findings`,
    String(seed),
    duration(durationMs),
  ].map((cell) => cell.replaceAll('|', '/'))
}

/** Renders the table of a run, with the violations below it. */
export function renderTable(reports: readonly Report[]): string {
  const row = (texts: readonly string[]) => `| ${texts.join(' | ')} |`
  const violations = reports.flatMap(({ id, violations, audit }) =>
    [...violations, ...(audit === undefined || audit === 'clean' ? [] : audit)].map((line) => `${id}: ${line}`),
  )
  return [row(columns), row(columns.map(() => '---')), ...reports.map((report) => row(cells(report))), ...violations].join('\n')
}

function duration(ms: number): string {
  return ms < 120_000 ? `${(ms / 1000).toFixed(1)} s` : `${(ms / 60_000).toFixed(1)} min`
}
