/** What every benchmark shares: rounds of all contenders in turn, medians with their range, and what else the machine was doing. */
import { readFile } from 'node:fs/promises'

/** Measurements of one contender over all rounds. */
export interface Series {
  readonly name: string
  readonly values: readonly number[]
}

/** Runs each contender once per round, in turn, so that what disturbs the machine disturbs all of them. Any failure ends the run. */
export async function interleave(rounds: number, contenders: Readonly<Record<string, () => Promise<number>>>): Promise<Record<string, Series>> {
  const values = Object.fromEntries(Object.keys(contenders).map((name) => [name, [] as number[]]))
  for (let round = 0; round < rounds; round++) {
    for (const [name, measure] of Object.entries(contenders)) {
      const value = await measure()
      values[name]?.push(value)
      process.stderr.write(`  round ${round + 1}/${rounds}  ${name}: ${value.toFixed(1)}\n`)
    }
  }
  return Object.fromEntries(Object.entries(values).map(([name, list]) => [name, { name, values: list }]))
}

/** The middle value. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  return sorted.length % 2 === 1 ? (sorted[middle] ?? Number.NaN) : ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2
}

/** Ratios of two series round by round: what both had to bear in a round cancels out. */
export function ratios(of: Series | undefined, to: Series | undefined): number[] {
  if (!of || !to) throw new Error('a series is missing')
  return of.values.map((value, round) => value / (to.values[round] ?? Number.NaN))
}

/** One line of a report. */
export interface Finding {
  readonly name: string
  /** Median ratio with smallest and largest. */
  readonly ratio: number
  readonly range: readonly [number, number]
  readonly target: string
  readonly isMet: boolean
}

/** Judges ratios against a bound. */
export function judge(name: string, values: readonly number[], bound: { readonly atMost: number } | { readonly atLeast: number }): Finding {
  const ratio = median(values)
  const isMet = 'atMost' in bound ? ratio <= bound.atMost : ratio >= bound.atLeast
  return { name, ratio, range: [Math.min(...values), Math.max(...values)], target: 'atMost' in bound ? `≤ ${bound.atMost}` : `≥ ${bound.atLeast}`, isMet }
}

/** Load of the machine: one-minute average, and CPU time stolen by its host since boot, ticks. */
export async function machineState(): Promise<{ load: number; stealTicks: number }> {
  const load = Number((await readFile('/proc/loadavg', 'utf8')).split(' ')[0])
  const stealTicks = Number((await readFile('/proc/stat', 'utf8')).split('\n')[0]?.split(/\s+/)[8] ?? 0)
  return { load, stealTicks }
}
