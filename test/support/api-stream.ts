/** A reader of an event stream, for tests: it reads what the server sends as the browser's EventSource does, and can stop reading. */
import { type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http'
import type { EventView } from '@alcove/contract'

/** One message of the stream. */
export interface StreamMessage {
  readonly id: string
  readonly event: EventView
}

/** An open stream. */
export interface ApiStream {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  /** Waits for the next message; `undefined` when the server has ended the stream. */
  next(): Promise<StreamMessage | undefined>
  /** Waits for the next so many messages. */
  take(count: number): Promise<StreamMessage[]>
  /** Waits for the next comment, and returns its text. */
  comment(): Promise<string | undefined>
  /** The last event that the reader has been told of, as EventSource keeps it for its next request. */
  lastEventId(): string | undefined
  /** Everything that came, as it came. */
  text(): string
  /** Leaves what the server sends from now on in the socket. */
  stopReading(): void
  /** Resolves when the connection is gone, whoever ended it. */
  readonly closed: Promise<void>
  close(): void
}

/** Asks for a stream; the answer may as well be a refusal. */
export function openStream(baseUrl: string, headers: Readonly<Record<string, string>>, path = '/events', method = 'GET'): Promise<ApiStream> {
  return new Promise((resolve, reject) => {
    // No agent: a connection of its own, which is closed with the stream.
    const outgoing = request(`${baseUrl}${path}`, { method, headers, agent: false }, (incoming) => resolve(readStream(incoming)))
    outgoing.on('error', reject)
    outgoing.end()
  })
}

function readStream(incoming: IncomingMessage): ApiStream {
  let text = ''
  let read = 0
  let isOver = false
  let lastEventId: string | undefined
  let news = Promise.withResolvers<void>()
  const messages: StreamMessage[] = []
  const comments: string[] = []
  const tell = () => {
    news.resolve()
    news = Promise.withResolvers()
  }
  incoming.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
    for (let end = text.indexOf('\n\n', read); end >= 0; end = text.indexOf('\n\n', read)) {
      lastEventId = parse(text.slice(read, end), messages, comments) ?? lastEventId
      read = end + 2
    }
    tell()
  })
  const closed = new Promise<void>((resolve) => {
    incoming.on('close', () => {
      isOver = true
      tell()
      resolve()
    })
  })
  // A cut connection is an end.
  incoming.on('error', () => {})
  const shifted = async <T>(queue: T[]): Promise<T | undefined> => {
    while (queue.length === 0 && !isOver) await news.promise
    return queue.shift()
  }
  return {
    status: incoming.statusCode ?? 0,
    headers: incoming.headers,
    next: () => shifted(messages),
    async take(count) {
      const taken: StreamMessage[] = []
      while (taken.length < count) {
        const message = await shifted(messages)
        if (!message) throw new Error(`the stream ended after ${taken.length} of ${count} messages: ${text.slice(-300)}`)
        taken.push(message)
      }
      return taken
    },
    comment: () => shifted(comments),
    lastEventId: () => lastEventId,
    text: () => text,
    stopReading: () => void incoming.pause(),
    closed,
    close: () => void incoming.destroy(),
  }
}

/** One block of the stream: a comment, perhaps with an id, or an id and exactly one line of data. Returns the id. */
function parse(block: string, messages: StreamMessage[], comments: string[]): string | undefined {
  const [, comment, position] = /^: (\w+)(?:\nid: (\d+))?$/.exec(block) ?? []
  if (comment !== undefined) {
    comments.push(comment)
    return position
  }
  const [, id, data] = /^id: (\d+)\ndata: ([^\n]+)$/.exec(block) ?? []
  if (id === undefined || data === undefined) throw new Error(`not a message: ${JSON.stringify(block)}`)
  messages.push({ id, event: JSON.parse(data) as EventView })
  return id
}
