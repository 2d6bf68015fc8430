/**
 * Frames on the agent's port, as the host sees them: handshake out, READY in, DATA both ways. The layout is in
 * `docs/agent-protocol.md`; the other end is `guest/agent/session`. What comes in is hostile: state is bounded by one header.
 */

/** Largest frame and size of the padding, bytes. */
export const maxFrameBytes = 32 * 1024
/** Header of a DATA frame, bytes. */
export const headerBytes = 12
/** What one frame carries at most, bytes. */
export const maxPayloadBytes = maxFrameBytes - headerBytes
/** Name of a session, bytes. */
export const nonceBytes = 16

const tagBytes = 8
const dataByte = 0xd7
const controlByte = 0xa5
/** First bytes of the request for a session. */
export const syncMagic = Buffer.from('\xa5ALCSYNC', 'latin1')
/** First bytes of the answer to it. */
export const readyMagic = Buffer.from('\xa5ALCRDY\n', 'latin1')

/** The guest said something that no correct agent says. */
export class GuestProtocolError extends Error {
  constructor(message: string) {
    super(`the guest agent broke its protocol: ${message}`)
    this.name = 'GuestProtocolError'
  }
}

/** Renders the request for a session: padding that completes whatever the guest had half read, then SYNC. */
export function renderSync(nonce: Buffer): Buffer {
  return Buffer.concat([Buffer.alloc(maxFrameBytes), syncMagic, nonce])
}

/** Renders the answer to a SYNC. */
export function renderReady(nonce: Buffer): Buffer {
  return Buffer.concat([readyMagic, nonce])
}

/** Renders bytes as frames of a session; no bytes are the frame that ends it. */
export function renderData(nonce: Buffer, bytes: Uint8Array): Buffer[] {
  const parts: Buffer[] = []
  let offset = 0
  do {
    const payload = bytes.subarray(offset, offset + maxPayloadBytes)
    const header = Buffer.alloc(headerBytes)
    header[0] = dataByte
    header.writeUInt16BE(payload.length, 2)
    nonce.copy(header, 4, 0, tagBytes)
    parts.push(header, Buffer.from(payload.buffer, payload.byteOffset, payload.length))
    offset += payload.length
  } while (offset < bytes.length)
  return parts
}

/** Looks for a READY in a stream that may hold anything before it. */
export function createReadyFinder(nonce: Buffer) {
  const wanted = renderReady(nonce)
  let tail: Buffer = Buffer.alloc(0)
  return {
    /** Takes the next bytes; returns those after the READY once it was found. Remembers less than one READY. */
    push(chunk: Buffer): Buffer | undefined {
      const seen = tail.length === 0 ? chunk : Buffer.concat([tail, chunk])
      const at = seen.indexOf(wanted)
      if (at >= 0) return seen.subarray(at + wanted.length)
      tail = Buffer.from(seen.subarray(Math.max(0, seen.length - wanted.length + 1)))
      return undefined
    },
  }
}

/** Where the payload of a session goes. */
export interface FrameSink {
  /** A piece of payload; it need not be a whole frame. */
  readonly onPayload: (bytes: Buffer) => void
  /** The guest ended the session. */
  readonly onEnd: () => void
}

/** Decodes what follows READY. Holds no payload: pieces are passed on as they come. */
export function createFrameDecoder(nonce: Buffer, { onPayload, onEnd }: FrameSink) {
  const ready = renderReady(nonce)
  const head = Buffer.alloc(ready.length)
  let have = 0
  let left = 0
  let isEnded = false

  /** Takes one byte-range of a header; returns the offset after it. */
  function takeHead(chunk: Buffer, offset: number): number {
    if (have === 0) head[0] = chunk[offset] ?? 0
    const need = head[0] === controlByte ? ready.length : headerBytes
    const taken = chunk.copy(head, have, offset, offset + need - have)
    have += taken
    if (head[0] !== dataByte && head[0] !== controlByte) throw new GuestProtocolError(`unknown frame type ${head[0]}`)
    if (have < need) return offset + taken
    have = 0
    // The answer to a SYNC that was sent again before the first answer came.
    if (head[0] === controlByte) {
      if (!head.equals(ready)) throw new GuestProtocolError('an answer to another session')
      return offset + taken
    }
    left = parseLength(head, nonce)
    if (left === 0) {
      isEnded = true
      onEnd()
    }
    return offset + taken
  }

  return {
    /** Takes the next bytes. @throws GuestProtocolError */
    push(chunk: Buffer): void {
      let offset = 0
      // After the end the guest owes nothing; whatever lingers is of no session.
      while (offset < chunk.length && !isEnded) {
        if (left === 0) {
          offset = takeHead(chunk, offset)
          continue
        }
        const piece = chunk.subarray(offset, offset + left)
        left -= piece.length
        offset += piece.length
        onPayload(piece)
      }
    },
  }
}

function parseLength(header: Buffer, nonce: Buffer): number {
  const length = header.readUInt16BE(2)
  if (header[1] !== 0) throw new GuestProtocolError(`unknown flags ${header[1]}`)
  if (length > maxPayloadBytes) throw new GuestProtocolError(`a frame of ${length} bytes`)
  if (header.compare(nonce, 0, tagBytes, 4, headerBytes) !== 0) throw new GuestProtocolError('a frame of another session')
  return length
}
