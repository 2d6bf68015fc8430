/** The census as text for people. */
import type { CensusReport } from './census.ts'
import { type Invariant, invariants } from './finding.ts'

/** Renders one line for each invariant, and below it what was found and what mends it. */
export function renderCensus({ verdict, findings, checked, durationMs }: CensusReport): string {
  const lines = (Object.keys(invariants) as Invariant[]).flatMap((invariant) => {
    const own = findings.filter((finding) => finding.invariant === invariant)
    const { name, holds } = invariants[invariant]
    const counts = Object.entries(checked[invariant])
      .map(([what, count]) => `${count} ${what.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)}`)
      .join(', ')
    return [
      `${own.length === 0 ? 'ok  ' : 'LEAK'}  ${invariant.padEnd(3)} ${name.padEnd(13)}  ${counts || 'not looked at'}`,
      ...(own.length === 0 ? [] : [`      must hold: ${holds}`]),
      ...own.flatMap(({ object, message, remedy }) => [`      ${object}: ${message}`, `        remedy: ${remedy}`]),
    ]
  })
  const total = `${verdict === 'clean' ? 'clean' : `${findings.length} finding${findings.length === 1 ? '' : 's'}`}, ${durationMs} ms`
  return `${[...lines, total].join('\n')}\n`
}
