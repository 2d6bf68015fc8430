import assert from 'node:assert/strict'
import test from 'node:test'
import { createSseParser } from './sse.ts'

const parse = (pieces: readonly string[], longestChars = 1000) => {
  const parser = createSseParser({ longestChars })
  return { data: pieces.flatMap((piece) => parser.add(piece)).map(({ data }) => data), id: parser.lastEventId }
}

test('messages are the same wherever the stream is cut', () => {
  const text = ': hello\n\nid: 7\nevent: status\ndata: {"a":\ndata:1}\n\nretry: 5\r\nid:8\r\ndata: two\r\n\r\n:\ndata\n\ndata: never ended'
  const whole = parse([text])
  assert.deepEqual(whole, { data: ['{"a":\n1}', 'two', ''], id: '8' })
  for (let cut = 1; cut < text.length; cut++) assert.deepEqual(parse([text.slice(0, cut), text.slice(cut)]), whole, `cut at ${cut}`)
  assert.deepEqual(parse([...text]), whole)
})

test('an id counts once its message is whole; one without a message counts too', () => {
  assert.equal(parse(['id: 5\ndata: x\n\nid: 6\ndata: y\n']).id, '5')
  assert.deepEqual(parse(['id: 9\n\n']), { data: [], id: '9' })
  assert.equal(parse([': nothing\n\n']).id, undefined)
  assert.equal(parse(['id: 1\n\nid: 2\0\n\n']).id, '1')
})

test('a line without an end and a message without an end are refused before they fill the memory', () => {
  assert.throws(() => parse(Array(30).fill('data: 0123456789'), 100), /line is longer than 100/)
  assert.throws(() => parse(Array(30).fill('data: 0123456789\n'), 100), /message is longer than 100/)
  assert.throws(() => parse([`:${'x'.repeat(101)}`], 100), RangeError)
  assert.deepEqual(parse([`data: ${'x'.repeat(90)}\n\n`, `data: ${'y'.repeat(90)}\n\n`], 100).data.length, 2)
})
