/** Bytes of QEMU's monitor to messages and back. QEMU is not trusted: every message is bounded and parsed. @see qemu docs/interop/qmp-spec.txt */

/** What QEMU may say. */
export type QmpMessage =
  | { readonly kind: 'greeting'; readonly version: string }
  | { readonly kind: 'return'; readonly id: string; readonly value: unknown }
  | { readonly kind: 'error'; readonly id: string | undefined; readonly errorClass: string; readonly description: string }
  | { readonly kind: 'event'; readonly name: string; readonly data: Readonly<Record<string, unknown>> }

/** Longest line that is accepted, bytes. QEMU's own answers to our commands have a few hundred. */
export const maxLineBytes = 1024 * 1024

/** Something that is not QMP. The connection is useless after it. */
export class QmpProtocolError extends Error {
  override readonly name = 'QmpProtocolError'
}

/** Cuts a stream into messages. `push` returns what became complete. @throws QmpProtocolError */
export function createDecoder(): { push(chunk: Uint8Array): readonly QmpMessage[] } {
  let parts: Uint8Array[] = []
  let pending = 0
  return {
    push(chunk) {
      const messages: QmpMessage[] = []
      let rest = chunk
      for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
        if (pending + end > maxLineBytes) throw new QmpProtocolError('line too long')
        const line = Buffer.concat([...parts, rest.subarray(0, end)]).toString('utf8')
        parts = []
        pending = 0
        rest = rest.subarray(end + 1)
        if (line.trim() !== '') messages.push(parseMessage(line))
      }
      pending += rest.length
      if (pending > maxLineBytes) throw new QmpProtocolError('line too long')
      if (rest.length > 0) parts.push(rest.slice())
      return messages
    },
  }
}

/** Reads one line. @throws QmpProtocolError */
export function parseMessage(line: string): QmpMessage {
  const message = parseObject(line)
  if (Object.hasOwn(message, 'return')) {
    if (typeof message.id !== 'string') throw new QmpProtocolError('answer without id')
    return { kind: 'return', id: message.id, value: message.return }
  }
  if (isRecord(message.error)) {
    const { class: errorClass, desc } = message.error
    return { kind: 'error', id: typeof message.id === 'string' ? message.id : undefined, errorClass: words(errorClass), description: words(desc) }
  }
  if (typeof message.event === 'string') return { kind: 'event', name: message.event, data: isRecord(message.data) ? message.data : {} }
  if (isRecord(message.QMP)) return { kind: 'greeting', version: parseVersion(message.QMP) }
  throw new QmpProtocolError('neither answer nor event')
}

/** Renders one command as a line. */
export function renderCommand(id: string, execute: string, args?: Readonly<Record<string, unknown>>): string {
  return `${JSON.stringify(args === undefined ? { execute, id } : { execute, id, arguments: args })}\n`
}

/** Whether a value is an object with keys. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parseObject(line: string): Readonly<Record<string, unknown>> {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (error) {
    throw new QmpProtocolError('not JSON', { cause: error })
  }
  if (!isRecord(value)) throw new QmpProtocolError('not an object')
  return value
}

function parseVersion(greeting: Readonly<Record<string, unknown>>): string {
  const qemu = isRecord(greeting.version) && isRecord(greeting.version.qemu) ? greeting.version.qemu : {}
  return [qemu.major, qemu.minor, qemu.micro].map((part) => (typeof part === 'number' ? part : '?')).join('.')
}

/** Texts of QEMU go to logs: bounded. */
const words = (value: unknown) => (typeof value === 'string' ? value.slice(0, 1000) : '')
