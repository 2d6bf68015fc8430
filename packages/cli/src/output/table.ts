/** Tables for people. */
import { escapeText, textWidth, truncate } from './text.ts'

/** One column. */
export interface Column<Row> {
  readonly title: string
  readonly value: (row: Row) => string | number
  /** Numbers stand at the right edge. */
  readonly isNumber?: true
  /** Least width when the terminal is narrow; a column without one is never cut. */
  readonly shrinkTo?: number
  /** Left out when the terminal is too narrow even so, the last such column first. */
  readonly isOptional?: true
}

const gap = '  '

/** Renders rows under titles. @param width Columns of the terminal; a table for a file (undefined) is never cut. */
export function renderTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[], width: number | undefined): string {
  const lines = [columns.map(({ title }) => title), ...rows.map((row) => columns.map(({ value }) => escapeText(String(value(row)))))]
  const natural = columns.map((_, index) => Math.max(...lines.map((line) => textWidth(line[index] ?? ''))))
  const shown = choose(columns, natural, width)
  const widths = fit(columns, natural, shown, width)
  return lines.map((line) => `${renderLine(columns, line, shown, widths)}\n`).join('')
}

/** Renders names with their values, one a line. */
export function renderFields(fields: readonly (readonly [name: string, value: string | number | undefined])[]): string {
  const present = fields.filter(([, value]) => value !== undefined && value !== '')
  const width = Math.max(0, ...present.map(([name]) => name.length))
  return present.map(([name, value]) => `${name.padEnd(width)}${gap}${escapeText(String(value))}\n`).join('')
}

/** The places of the columns that are shown: all, or as many optional ones less as the width demands. */
function choose<Row>(columns: readonly Column<Row>[], natural: readonly number[], width: number | undefined): number[] {
  const shown = columns.map((_, index) => index)
  const least = (index: number) => Math.min(natural[index] ?? 0, columns[index]?.shrinkTo ?? Number.POSITIVE_INFINITY)
  while (width !== undefined && lineWidth(shown.map(least)) > width) {
    const last = shown.findLastIndex((index) => columns[index]?.isOptional)
    if (last === -1) break
    shown.splice(last, 1)
  }
  return shown
}

/** Takes width away from the widest column that may shrink until the line fits or nothing more can go. */
function fit<Row>(columns: readonly Column<Row>[], natural: readonly number[], shown: readonly number[], width: number | undefined): number[] {
  const widths = [...natural]
  const widthOf = (index: number) => widths[index] ?? 0
  for (let excess = width === undefined ? 0 : lineWidth(shown.map(widthOf)) - width; excess > 0; excess--) {
    const shrinkable = shown.filter((index) => widthOf(index) > (columns[index]?.shrinkTo ?? Number.POSITIVE_INFINITY))
    if (shrinkable.length === 0) break
    const widest = shrinkable.reduce((best, index) => (widthOf(index) > widthOf(best) ? index : best))
    widths[widest] = widthOf(widest) - 1
  }
  return widths
}

function lineWidth(widths: readonly number[]): number {
  return widths.reduce((sum, each) => sum + each, gap.length * (widths.length - 1))
}

function renderLine<Row>(columns: readonly Column<Row>[], line: readonly string[], shown: readonly number[], widths: readonly number[]): string {
  const cells = shown.map((index) => {
    const width = widths[index] ?? 0
    const text = truncate(line[index] ?? '', width)
    const padding = ' '.repeat(Math.max(0, width - textWidth(text)))
    return columns[index]?.isNumber ? padding + text : text + padding
  })
  return cells.join(gap).trimEnd()
}
