import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { createDecoder, maxLineBytes, parseMessage, QmpProtocolError, renderCommand } from './codec.ts'

test('messages of every kind are read, however the stream is cut', () => {
  const lines = [
    '{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": ""}, "capabilities": ["oob"]}}',
    '{"return": {"status": "prelaunch"}, "id": "1"}',
    '{"error": {"class": "GenericError", "desc": "no ☃"}, "id": "2"}',
    '{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-reset"}}',
  ]
  const expected = [
    { kind: 'greeting', version: '7.2.22' },
    { kind: 'return', id: '1', value: { status: 'prelaunch' } },
    { kind: 'error', id: '2', errorClass: 'GenericError', description: 'no ☃' },
    { kind: 'event', name: 'SHUTDOWN', data: { guest: true, reason: 'guest-reset' } },
  ]
  const bytes = Buffer.from(`${lines.join('\r\n')}\r\n`)
  fc.assert(
    fc.property(fc.array(fc.nat(bytes.length), { maxLength: 20 }), (cuts) => {
      const decoder = createDecoder()
      const edges = [0, ...cuts.sort((a, b) => a - b), bytes.length]
      const pieces = edges.slice(1).map((end, index) => bytes.subarray(edges[index], end))
      assert.deepEqual(
        pieces.flatMap((piece) => decoder.push(piece)),
        expected,
      )
    }),
  )
})

test('anything else is a protocol error, never another one', () => {
  const json = fc.json({ maxDepth: 4 })
  const shaped = fc.record(
    { return: fc.anything(), error: fc.anything(), event: fc.anything(), QMP: fc.anything(), id: fc.anything(), data: fc.anything() },
    { requiredKeys: [] },
  )
  const line = fc.oneof(
    fc.string(),
    json,
    shaped.map((value) => JSON.stringify(value, (_key, part) => (typeof part === 'bigint' ? String(part) : part)) ?? ''),
  )
  fc.assert(
    fc.property(line, (text) => {
      try {
        assert.ok(['greeting', 'return', 'error', 'event'].includes(parseMessage(text).kind))
      } catch (error) {
        assert.ok(error instanceof QmpProtocolError, String(error))
      }
    }),
    { numRuns: 2000 },
  )
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 }), (chunks) => {
      const decoder = createDecoder()
      try {
        for (const chunk of chunks) decoder.push(chunk)
      } catch (error) {
        assert.ok(error instanceof QmpProtocolError, String(error))
      }
    }),
    { numRuns: 500 },
  )
})

test('a line has an end: more than a MiB is refused, in one piece or in many', () => {
  const piece = Buffer.alloc(64 * 1024, 'x')
  assert.throws(() => createDecoder().push(Buffer.alloc(maxLineBytes + 1, 'x')), QmpProtocolError)
  assert.throws(() => createDecoder().push(Buffer.concat([Buffer.alloc(maxLineBytes + 1, 'x'), Buffer.from('\n')])), QmpProtocolError)
  const decoder = createDecoder()
  assert.throws(() => {
    for (let count = 0; count < 20; count += 1) decoder.push(piece)
  }, QmpProtocolError)
})

test('a command is one line of JSON whatever its arguments hold', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const line = renderCommand('7', 'qom-set', { text })
      assert.equal(line.indexOf('\n'), line.length - 1)
      assert.deepEqual(JSON.parse(line), { execute: 'qom-set', id: '7', arguments: { text } })
    }),
  )
})
