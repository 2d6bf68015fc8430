import assert from 'node:assert/strict'
import test from 'node:test'
import { createLogWriter, type LogForm } from './log-writer.ts'
import { type Column, renderFields, renderTable } from './table.ts'
import { escapeLog, escapeText, textWidth, truncate } from './text.ts'
import { renderDuration, renderMib } from './workspace.ts'

const columns: Column<{ id: string; name: string; size: number }>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'NAME', value: ({ name }) => name, shrinkTo: 6 },
  { title: 'SIZE', value: ({ size }) => size, isNumber: true },
]

test('columns stand under their titles, numbers at the right', () => {
  const table = renderTable(
    columns,
    [
      { id: 'ws_1', name: 'short', size: 5 },
      { id: 'ws_22', name: 'a longer name', size: 1024 },
    ],
    undefined,
  )
  assert.equal(table, 'ID     NAME           SIZE\nws_1   short             5\nws_22  a longer name  1024\n')
})

test('a table fits the terminal by cutting what may be cut, and nothing else', () => {
  const rows = [{ id: 'ws_1', name: 'a name that is far too long', size: 5 }]
  for (const line of renderTable(columns, rows, 24).trimEnd().split('\n')) assert.ok(textWidth(line) <= 24, line)
  assert.equal(renderTable(columns, rows, 10), 'ID    NAME    SIZE\nws_1  a nam…     5\n')
})

test('optional columns go, the last first, when cutting is not enough', () => {
  const optional = columns.map((column) => (column.title === 'SIZE' ? { ...column, isOptional: true as const } : column))
  const rows = [{ id: 'ws_1', name: 'a name that is far too long', size: 5 }]
  assert.equal(renderTable(optional, rows, 14), 'ID    NAME\nws_1  a name …\n')
})

test('wide and combining characters keep the columns straight', () => {
  assert.equal(textWidth('日本'), 4)
  assert.equal(textWidth('e\u0301'), 1)
  assert.equal(textWidth('👩‍👩‍👧'), 2)
  assert.equal(truncate('日本語', 4), '日…')
  const lines = renderTable(columns, [{ id: '1', name: '日本', size: 1 }], undefined).split('\n')
  assert.equal(textWidth(lines[0] ?? ''), textWidth(lines[1] ?? ''))
})

test('a string of a server cannot move the cursor, break a line or turn the text around', () => {
  assert.equal(escapeText('a\u001b[2Jb\nc\u202ed\u009b'), 'a\\x1b[2Jb\\nc\\u{202e}d\\x9b')
  const table = renderTable(columns, [{ id: '1', name: '\u001b]0;owned\u0007', size: 1 }], undefined)
  assert.ok(!table.includes('\u001b') && !table.includes('\u0007'))
  assert.equal(renderFields([['name', 'a\r\nb']]), 'name  a\\r\\nb\n')
})

test('a log on a terminal keeps lines, tabs and colours and loses all other control', () => {
  assert.equal(escapeLog('a\tb\r\n\u001b[31mred\u001b[0m\u001b[2J\u001b]52;c;x\u0007\rx'), 'a\tb\n\u001b[31mred\u001b[0m\\x1b[2J\\x1b]52;c;x\\x07\\rx')
})

test('pieces of a log are put together in each form', () => {
  const written = (form: LogForm, ...pieces: string[]) => {
    let text = ''
    const write = (more: string) => {
      text += more
    }
    const writer = createLogWriter({ write, form })
    for (const piece of pieces) writer.add(piece)
    writer.end()
    return text
  }
  assert.equal(written('raw', 'a\nhel', 'lo\u001b[2J'), 'a\nhello\u001b[2J\n')
  assert.equal(written('raw'), '')
  assert.equal(written('json', 'a\nhel', 'lo\n', 'x'), '{"line":"a"}\n{"line":"hello"}\n{"line":"x"}\n')
  assert.equal(written('terminal', 'a\u0007\n'), 'a\\x07\n\u001b[0m')
})

test('amounts and times are short', () => {
  assert.deepEqual([512, 1024, 1536, 2048].map(renderMib), ['512M', '1G', '1536M', '2G'])
  assert.deepEqual([0, 59.9, 61, 3725, 90_000].map(renderDuration), ['0s', '59s', '1m1s', '1h2m', '1d1h'])
})
