/** A YAML file whose values know their lines. */
import { isMap, isNode, isScalar, isSeq, LineCounter, type Node, type ParsedNode, parseDocument } from 'yaml'
import { messageOf } from '../lib/fail.ts'
import type { Path } from './check.ts'

/** A file that was read. */
export interface YamlFile {
  /** Its content; `{}` when it is empty or no YAML. */
  readonly value: unknown
  /** What is not YAML, with lines. */
  readonly mistakes: readonly { readonly line: number; readonly message: string }[]
  /** Returns the line (from 1) on which the key at the end of the path stands. */
  lineOf(path: Path): number
}

/** Parses YAML 1.2 text. */
export function parseYaml(content: string): YamlFile {
  const lines = new LineCounter()
  const document = parseDocument(content, { lineCounter: lines, prettyErrors: false })
  const mistakes = document.errors.map((error) => ({ line: lines.linePos(error.pos[0]).line, message: error.message }))
  const lineOf = (path: Path) => {
    const offset = offsetOf(document.contents, path)
    return offset === undefined ? 1 : lines.linePos(offset).line
  }
  if (mistakes.length > 0) return { value: {}, mistakes, lineOf }
  try {
    return { value: document.toJS() ?? {}, mistakes, lineOf }
  } catch (error) {
    return { value: {}, mistakes: [{ line: 1, message: messageOf(error) }], lineOf }
  }
}

/** Finds where the last key of the path is written: a key and its value begin on the same line, or the key is what to look at. */
function offsetOf(root: ParsedNode | null, path: Path): number | undefined {
  let node: unknown = root
  let offset: number | undefined
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(step))
      offset = startOf(pair?.key) ?? offset
      node = pair?.value
    } else if (isSeq(node)) {
      node = node.items[Number(step)]
      offset = startOf(node) ?? offset
    } else break
  }
  return offset
}

function startOf(node: unknown): number | undefined {
  return isNode(node) ? (node as Node).range?.[0] : undefined
}
