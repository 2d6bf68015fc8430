/** A stream of server-sent events. @see https://html.spec.whatwg.org/multipage/server-sent-events.html */
import type { ServerResponse } from 'node:http'
import type { FastifyReply } from 'fastify'
import type { Clock } from '../lib/clock.ts'
import { messageOf } from '../lib/fail.ts'
import type { Logger } from '../lib/log.ts'
import type { EventSource } from '../workspace/event-feed.ts'

/** Time between two comments that keep proxies from closing a silent stream, ms. */
const heartbeatMs = 15_000
/** Time a reader may leave what was sent unread before it is given up, ms. */
const stalledMs = 30_000

/** Sends events until the reader goes away, or the server closes. Each is one line of data, which is all that some clients read. */
export async function sendEvents(
  reply: FastifyReply,
  { start, events }: EventSource,
  { clock, log, closing }: { clock: Clock; log: Logger; closing: AbortSignal },
): Promise<void> {
  const { raw } = reply
  const left = new AbortController()
  const gone = AbortSignal.any([left.signal, closing])
  raw.on('close', () => left.abort())
  raw.on('error', () => left.abort())
  // A reader may have left before it was let in; one that asks for the headers alone stays for nothing else.
  const wantsEvents = reply.request.method !== 'HEAD'
  if (raw.closed || raw.destroyed || !wantsEvents) left.abort()
  reply.hijack()
  const headers = Object.fromEntries(Object.entries(reply.getHeaders()).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])))
  raw.writeHead(200, { ...headers, 'content-type': 'text/event-stream; charset=utf-8', 'x-accel-buffering': 'no' })
  // The reader knows where it is at once: a stream that breaks before its first event loses none.
  if (wantsEvents) raw.write(`: connected\nid: ${start}\n\n`)
  const stopHeartbeat = clock.every(heartbeatMs, () => {
    if (!raw.writableNeedDrain) raw.write(': alive\n\n')
  })
  try {
    for await (const event of events(gone)) {
      if (!raw.write(`id: ${event.id}\ndata: ${JSON.stringify(event)}\n\n`)) await drained(raw, AbortSignal.any([gone, clock.deadline(stalledMs)]))
    }
  } catch (error) {
    if (!gone.aborted) log.debug({ reason: messageOf(error) }, 'an event stream ended')
  } finally {
    stopHeartbeat()
    if (wantsEvents) raw.destroy()
    else raw.end()
  }
}

/** Waits until the reader has taken what was sent. Rejects when it does not, or is gone. */
function drained(raw: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const giveUp = () => {
      raw.off('drain', onDrain)
      reject(signal.reason)
    }
    const onDrain = () => {
      signal.removeEventListener('abort', giveUp)
      resolve()
    }
    if (signal.aborted) return giveUp()
    signal.addEventListener('abort', giveUp, { once: true })
    raw.once('drain', onDrain)
  })
}
