/** The guest's end of the port, over any byte stream: what `guest/agent/session` does in Go. */
import { Duplex } from 'node:stream'
import { createFrameDecoder, maxFrameBytes, nonceBytes, renderData, renderReady, syncMagic } from '../frame.ts'

/** Answers SYNCs on `port` and calls `onSession` with the stream of each new session. `stale` is what lingers of a dead one. */
export function servePort(port: Duplex, { onSession, stale }: { readonly onSession: (session: Duplex) => void; readonly stale?: Buffer }): void {
  let current: { nonce: Buffer; session: Session; push: (chunk: Buffer) => void } | undefined
  let held: Buffer = Buffer.alloc(0)
  if (stale) port.write(stale)

  const open = (nonce: Buffer) => {
    if (!current?.nonce.equals(nonce)) {
      current?.session.destroy()
      const session = new Session(port, nonce)
      const decoder = createFrameDecoder(nonce, { onPayload: (bytes) => session.push(bytes), onEnd: () => session.push(null) })
      current = { nonce, session, push: decoder.push }
      port.write(renderReady(nonce))
      onSession(session)
    } else port.write(renderReady(nonce))
  }

  port.on('data', (chunk: Buffer) => {
    held = Buffer.concat([held, chunk])
    for (let at = held.indexOf(syncMagic); at >= 0 && held.length >= at + syncMagic.length + nonceBytes; at = held.indexOf(syncMagic)) {
      const end = at + syncMagic.length + nonceBytes
      open(Buffer.from(held.subarray(at + syncMagic.length, end)))
      held = held.subarray(end)
    }
    // Padding of a SYNC that is still coming, or frames of the session.
    if (current && held.length > 0 && held[0] !== 0) {
      current.push(held)
      held = Buffer.alloc(0)
    } else held = held.subarray(Math.max(0, held.length - 2 * maxFrameBytes))
  })
  port.on('close', () => current?.session.destroy())
  port.on('error', () => current?.session.destroy())
}

class Session extends Duplex {
  readonly #port: Duplex
  readonly #nonce: Buffer

  constructor(port: Duplex, nonce: Buffer) {
    super()
    this.#port = port
    this.#nonce = nonce
    this.on('error', () => {})
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    // As with the real port, what nobody reads is lost.
    if (!this.#port.writable) done()
    else this.#port.write(Buffer.concat(renderData(this.#nonce, chunk)), () => done())
  }

  override _final(done: (error?: Error | null) => void): void {
    this._write(Buffer.alloc(0), 'latin1', done)
  }
}
