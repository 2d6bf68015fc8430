/** Renders what each verb does in each state as a table for `docs/operations.md`. */
import { workspaceStatuses } from './states.ts'
import { outcomeOf, type Verb, verbOutcomes } from './verbs.ts'

const begin = '<!-- verbs: made by script/generate -->'
const end = '<!-- /verbs -->'

/** The table in Markdown: a row for each state, a column for each verb. */
export function renderVerbs(): string {
  const verbs = Object.keys(verbOutcomes) as Verb[]
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`
  return [
    line(['', ...verbs]),
    line(['---', ...verbs.map(() => '---')]),
    ...workspaceStatuses.map((status) => line([status, ...verbs.map((verb) => outcomeOf(verb, status))])),
  ].join('\n')
}

/** A page with the table between its markers renewed; a page without markers is returned as it is. */
export function withVerbs(page: string): string {
  const from = page.indexOf(begin)
  const to = page.indexOf(end)
  if (from < 0 || to < from) return page
  return `${page.slice(0, from + begin.length)}\n${renderVerbs()}\n${page.slice(to)}`
}
