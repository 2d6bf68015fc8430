/** Reads a JSON body: bounded in bytes, depth and keys before anything is built from it. */
import type { IncomingMessage } from 'node:http'
import { limits } from '@alcove/contract'
import { fail, messageOf } from '../lib/fail.ts'

const mediaType = /^\s*application\/(?:[\w.+-]+\+)?json\s*(?:;\s*charset\s*=\s*"?utf-?8"?\s*)?;?\s*$/i

/**
 * The parsed body; an empty one is `{}`, whatever its content type. Of duplicate keys the last counts.
 * @throws payload_too_large, unsupported_media_type, bad_request
 */
export async function readJson(request: IncomingMessage): Promise<unknown> {
  const bytes = await readBytes(request)
  if (bytes.length === 0) return {}
  if (!mediaType.test(request.headers['content-type'] ?? '')) fail('unsupported_media_type', { message: 'Send the body as application/json in UTF-8.' })
  if ((request.headers['content-encoding'] ?? 'identity') !== 'identity') fail('unsupported_media_type', { message: 'Send the body uncompressed.' })
  assertBounded(bytes)
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    return fail('bad_request', { message: `The body is not valid JSON: ${messageOf(cause).slice(0, 200)}`, cause })
  }
}

/** What is over the limit stays unread here; Node drops it, for at most the time a request may take. */
function readBytes(request: IncomingMessage): Promise<Buffer> {
  if (Number(request.headers['content-length']) > limits.bodyBytes) fail('payload_too_large')
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const settle = (finish: () => void) => {
      request.off('data', onData).off('end', onEnd).off('close', onGone)
      finish()
    }
    const onData = (chunk: Buffer) => {
      size += chunk.length
      if (size > limits.bodyBytes) settle(() => reject(tooLarge()))
      else chunks.push(chunk)
    }
    const onEnd = () => settle(() => resolve(Buffer.concat(chunks, size)))
    const onGone = () => settle(() => reject(cutOff()))
    // Stays: a connection that breaks after the answer must not become an uncaught error.
    request.on('error', onGone)
    request.on('data', onData).on('end', onEnd).on('close', onGone)
  })
}

function caught(raise: () => never): unknown {
  try {
    return raise()
  } catch (error) {
    return error
  }
}

const tooLarge = () => caught(() => fail('payload_too_large'))
const cutOff = () => caught(() => fail('bad_request', { message: 'The connection ended within the body.' }))

const [quote, backslash, colon] = [0x22, 0x5c, 0x3a]
const opening = new Set([0x7b, 0x5b])
const closing = new Set([0x7d, 0x5d])

/** One pass over the bytes: JSON.parse would build 200,000 nested arrays without complaint. */
function assertBounded(bytes: Buffer): void {
  let depth = 0
  let keys = 0
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number
    if (byte === quote) at = endOfString(bytes, at)
    else if (byte === colon) keys++
    else if (opening.has(byte)) depth++
    else if (closing.has(byte)) depth--
    if (depth > limits.bodyDepth) fail('bad_request', { message: `The body is nested more than ${limits.bodyDepth} levels deep.` })
    if (keys > limits.bodyKeys) fail('bad_request', { message: `The body holds more than ${limits.bodyKeys} keys.` })
  }
}

function endOfString(bytes: Buffer, start: number): number {
  for (let at = start + 1; at < bytes.length; at++) {
    if (bytes[at] === backslash) at++
    else if (bytes[at] === quote) return at
  }
  return bytes.length
}
