/** Renders the drawing of the states of a workspace for `ARCHITECTURE.md`. */
import { transitions } from './states.ts'

const begin = '<!-- states: made by script/generate -->'
const end = '<!-- /states -->'

/** The transition table as a Mermaid state diagram. */
export function renderStates(): string {
  const moves = Object.entries(transitions).flatMap(([from, targets]) => targets.map((to) => `  ${from} --> ${to === 'gone' ? '[*]' : to}`))
  return `\`\`\`mermaid\nstateDiagram-v2\n  [*] --> creating\n${moves.join('\n')}\n\`\`\``
}

/** A page with the drawing between its markers renewed; a page without markers is returned as it is. */
export function withStates(page: string): string {
  const from = page.indexOf(begin)
  const to = page.indexOf(end)
  if (from < 0 || to < from) return page
  return `${page.slice(0, from + begin.length)}\n${renderStates()}\n${page.slice(to)}`
}
