import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import test from 'node:test'
import fc from 'fast-check'
import {
  createFrameDecoder,
  createReadyFinder,
  GuestProtocolError,
  headerBytes,
  maxFrameBytes,
  maxPayloadBytes,
  nonceBytes,
  renderData,
  renderReady,
  renderSync,
  syncMagic,
} from './frame.ts'

const nonce = Buffer.from('0123456789abcdef')

function decode(chunks: readonly Buffer[]) {
  const payload: Buffer[] = []
  let ends = 0
  const decoder = createFrameDecoder(nonce, { onPayload: (bytes) => payload.push(Buffer.from(bytes)), onEnd: () => ends++ })
  for (const chunk of chunks) decoder.push(chunk)
  return { payload: Buffer.concat(payload), ends }
}

function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = []
  let offset = 0
  for (const size of sizes) {
    if (offset >= bytes.length) break
    chunks.push(bytes.subarray(offset, offset + size))
    offset += size
  }
  return [...chunks, bytes.subarray(offset)]
}

const sizes = fc.array(fc.integer({ min: 1, max: 50_000 }), { maxLength: 40 })

test('bytes survive framing however they are cut', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 70_000 }), { maxLength: 4 }), sizes, (writes, at) => {
      const frames = Buffer.concat([...writes.flatMap((bytes) => renderData(nonce, bytes)), ...renderData(nonce, Buffer.alloc(0))])
      const { payload, ends } = decode(cut(frames, at))
      assert.ok(payload.equals(Buffer.concat(writes)))
      assert.equal(ends, 1)
    }),
    { numRuns: 100 },
  )
})

test('no frame is larger than the maximum', () => {
  const parts = renderData(nonce, randomBytes(3 * maxPayloadBytes + 1))
  for (let i = 0; i < parts.length; i += 2) assert.ok((parts[i]?.length ?? 0) + (parts[i + 1]?.length ?? 0) <= maxFrameBytes)
})

test('a READY is found after any noise, cut anywhere, and only with its own nonce', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 500 }),
      fc.uint8Array({ maxLength: 50 }),
      fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 60 }),
      (noise, rest, at) => {
        const other = renderReady(Buffer.alloc(nonceBytes, 7))
        const finder = createReadyFinder(nonce)
        let after: Buffer[] | undefined
        for (const chunk of cut(Buffer.concat([noise, other, renderReady(nonce), rest]), at)) {
          if (after) after.push(chunk)
          else {
            const found = finder.push(chunk)
            if (found) after = [found]
          }
        }
        assert.deepEqual(Buffer.concat(after ?? []), Buffer.from(rest))
        assert.ok(after)
      },
    ),
    { numRuns: 500 },
  )
})

test('wrong type, flags, length and session are each refused, whole or cut', () => {
  const [header = Buffer.alloc(0)] = renderData(nonce, Buffer.from('x'))
  const spoil = (at: number, value: number) => {
    const bad = Buffer.from(header)
    bad[at] = value
    return bad
  }
  const [longHeader = Buffer.alloc(0)] = renderData(nonce, Buffer.alloc(1))
  longHeader.writeUInt16BE(maxPayloadBytes + 1, 2)
  for (const bad of [
    spoil(0, 0),
    spoil(0, 0xd6),
    spoil(1, 1),
    spoil(4, 0),
    spoil(11, 0),
    longHeader,
    renderReady(Buffer.alloc(nonceBytes)),
    renderSync(nonce),
  ]) {
    assert.throws(() => decode([bad]), GuestProtocolError)
    assert.throws(() => decode([...bad].map((byte) => Buffer.from([byte]))), GuestProtocolError)
  }
})

test('a truncated stream is neither an end nor an error', () => {
  const frames = Buffer.concat(renderData(nonce, Buffer.from('some bytes')))
  for (let length = 0; length < frames.length; length++) {
    const { payload, ends } = decode([frames.subarray(0, length)])
    assert.equal(payload.length, Math.max(0, length - headerBytes))
    assert.equal(ends, 0)
  }
})

test('a repeated READY is skipped and nothing is taken after the end', () => {
  const { payload, ends } = decode([
    renderReady(nonce),
    ...renderData(nonce, Buffer.from('a')),
    renderReady(nonce),
    ...renderData(nonce, Buffer.alloc(0)),
    randomBytes(100),
  ])
  assert.equal(payload.toString(), 'a')
  assert.equal(ends, 1)
})

test('the padding of a SYNC completes any frame that was half read', () => {
  assert.equal(renderSync(nonce).indexOf(syncMagic), maxFrameBytes)
})

test('200,000 hostile frames: payload or a protocol error, nothing else, and bounded memory', () => {
  let refused = 0
  let taken = 0
  const before = process.memoryUsage().arrayBuffers
  let state = 1
  const random = () => {
    // xorshift: the run repeats itself.
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
  const sink = {
    onPayload: (bytes: Buffer) => {
      taken += bytes.length
    },
    onEnd: () => {},
  }
  let decoder = createFrameDecoder(nonce, sink)
  const noise = randomBytes(4096)
  for (let i = 0; i < 200_000; i++) {
    const frame = Buffer.concat([...renderData(nonce, noise.subarray(0, 1 + (random() % 64)))])
    const flips = random() % 3
    for (let flip = 0; flip < flips; flip++) frame[random() % frame.length] = random() & 255
    try {
      decoder.push(random() % 8 === 0 ? frame.subarray(0, random() % frame.length) : frame)
    } catch (error) {
      assert.ok(error instanceof GuestProtocolError)
      refused++
      decoder = createFrameDecoder(nonce, sink)
    }
  }
  assert.ok(refused > 1000 && taken > 1_000_000, `${refused} refused, ${taken} bytes taken`)
  assert.ok(process.memoryUsage().arrayBuffers - before < 64 * 1024 * 1024)
})
