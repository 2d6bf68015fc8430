import assert from 'node:assert/strict'
import test from 'node:test'
import { followLog, newPart } from './follow-log.ts'

test('what was added to a log is handed on once', () => {
  assert.equal(newPart('', 'a\n'), 'a\n')
  assert.equal(newPart('a\n', 'a\n'), '')
  assert.equal(newPart('a\nb\n', 'a\nb\nc\n'), 'c\n')
  assert.equal(newPart('a\nb\nc\n', 'b\nc\nd\ne\n'), 'd\ne\n')
  assert.equal(newPart('a\n', 'a\na\n'), 'a\n')
})

test('a line that was still being written is completed', () => {
  assert.equal(newPart('a\nhel', 'a\nhello\n'), 'lo\n')
  assert.equal(newPart('x\na\nhel', 'a\nhello\nb'), 'lo\nb')
  assert.equal(newPart('a\nb', 'a\nb\nc'), '\nc')
})

test('a log that was rotated or outran the window is handed on whole', () => {
  assert.equal(newPart('a\nb\n', 'c\nd\n'), 'c\nd\n')
  assert.equal(newPart('a\nb\n', 'a\n'), 'a\n')
  assert.equal(newPart('a\nb\n', ''), '')
  assert.equal(newPart('no end', 'other'), 'other')
})

test('any log cut at any two moments is put together again', () => {
  const lines = Array.from({ length: 60 }, (_, index) => `line ${index} ${'x'.repeat(index % 7)}\n`)
  for (let window = 1; window < 20; window += 3) {
    for (let first = window; first < 50; first += 5) {
      for (let added = 0; added < window; added++) {
        const seen = lines.slice(first - window, first).join('')
        const now = lines.slice(first + added - window, first + added).join('')
        assert.equal(newPart(seen, now), lines.slice(first, first + added).join(''))
      }
    }
  }
})

test('a very long answer that was cut within its first line still fits to the one before', () => {
  const lines = Array.from({ length: 400 }, (_, index) => `${index} ${'x'.repeat(1000)}\n`)
  assert.equal(newPart(lines.slice(0, 350).join(''), lines.slice(10).join('').slice(500)), lines.slice(350).join(''))
})

test('a line end or a character that was caught half written is not handed on twice', async () => {
  const looks = ['one\r', 'one\ntw\ufffd', 'one\ntwö\n']
  const ended = new Error('ended')
  let text = ''
  const look = async () => looks.shift() ?? Promise.reject(ended)
  const add = (piece: string) => {
    text += piece
  }
  await assert.rejects(followLog({ look, tail: 10, add, warn: assert.fail, signal: new AbortController().signal }), ended)
  assert.equal(text, 'one\ntwö\n')
})
