/** Keeps the last full run of each figure in `docs/reliability.md`, between its two marks; each figure can be recorded by itself. */
import { readFile, writeFile } from 'node:fs/promises'
import { cpus, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'
import { run } from '../packages/server/src/lib/subprocess.ts'
import { cells, columns, type Report } from './report.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const page = `${root}docs/reliability.md`
const from = '<!-- figures: written by script/chaos --full --record -->'
const to = '<!-- /figures -->'

/** Puts a report into the table, in place of an earlier one of the same figure. */
export async function record(report: Report): Promise<void> {
  if (!report.isFull) throw new Error('only the published sizes are recorded: add --full')
  const text = await readFile(page, 'utf8')
  const [before, rest] = split(text, from)
  const [table, after] = split(rest, to)
  const rows = new Map(table.split('\n').flatMap((line) => (/^\| ([TS][0-9]+) \|/.test(line) ? [[idOf(line), line] as const] : [])))
  rows.set(report.id, row([...cells(report), report.date.slice(0, 10), await commit(), machine()]))
  const sorted = [...rows].toSorted(([a], [b]) => rank(a) - rank(b)).map(([, line]) => line)
  const head = [...columns, 'date', 'commit', 'machine']
  await writeFile(page, `${before}${from}\n${[row(head), row(head.map(() => '---')), ...sorted].join('\n')}\n${to}${after}`)
}

function split(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark)
  if (at < 0) throw new Error(`${page} has no ${mark}`)
  return [text.slice(0, at), text.slice(at + mark.length)]
}

const row = (texts: readonly string[]) => `| ${texts.join(' | ')} |`
const idOf = (line: string) => line.split(' ')[1] ?? ''
const rank = (id: string) => (id.startsWith('T') ? 0 : 1000) + Number(id.slice(1))

/** What was measured; `+` when the tree had changes that are in no commit. */
async function commit(): Promise<string> {
  const [head, changes] = await Promise.all([
    run(['git', '-C', root, 'rev-parse', '--short', 'HEAD']),
    run(['git', '-C', root, 'status', '--porcelain', '-uno']),
  ])
  return `${head.trim()}${changes.trim() === '' ? '' : '+'}`
}

/** Class of the machine, no more than a reader needs to judge the times. */
function machine(): string {
  return `${cpus().length} cores, ${Math.round(totalmem() / 1024 ** 3)} GiB`
}
