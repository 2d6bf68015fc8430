/** A bare HTTP client for tests of the API: it sends paths, headers and bodies as they are given, valid or not. */
import { once } from 'node:events'
import { Agent, request as httpRequest, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'

/** A request, unchecked. */
export interface RawRequest {
  readonly method: string
  /** Path and query, already escaped as wanted. */
  readonly path: string
  readonly headers?: Readonly<Record<string, string | string[]>>
  readonly body?: string
  /** Loopback address to come from, for servers that count failures by address. */
  readonly from?: string
}

/** What came back. */
export interface RawAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/** Sends requests to one server over kept connections. */
export interface ApiClient extends Disposable {
  send(request: RawRequest): Promise<RawAnswer>
  /** Writes bytes on a new connection and reads until it closes, or for `ms`. */
  sendBytes(bytes: Uint8Array, ms?: number): Promise<string>
}

/** Makes a client. */
export function createApiClient(baseUrl: string): ApiClient {
  const { hostname, port } = new URL(baseUrl)
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  return {
    send: ({ method, path, headers = {}, body, from }) =>
      new Promise((resolve, reject) => {
        const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
        const outgoing = httpRequest(
          { hostname, port, method, path, agent, headers: { ...length, ...headers }, ...(from ? { localAddress: from } : {}) },
          (incoming) => {
            const chunks: Buffer[] = []
            incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
            const end = () => resolve({ status: incoming.statusCode ?? 0, headers: incoming.headers, text: Buffer.concat(chunks).toString() })
            incoming.on('end', end)
            incoming.on('error', reject)
            // A stream has no end: what it begins with is the answer.
            if (isStream(incoming) && method !== 'HEAD') incoming.once('data', () => setImmediate(() => incoming.destroy())).once('close', end)
          },
        )
        outgoing.on('error', reject)
        outgoing.end(body)
      }),
    async sendBytes(bytes, ms = 1000) {
      const socket = connect(Number(port), hostname)
      let text = ''
      socket.setTimeout(ms, () => socket.destroy())
      socket.on('data', (chunk) => {
        text += chunk
      })
      // A reset is an answer too.
      socket.on('error', () => {})
      socket.end(bytes)
      await once(socket, 'close')
      return text
    },
    [Symbol.dispose]: () => agent.destroy(),
  }
}

const isStream = ({ headers }: IncomingMessage) => headers['content-type']?.startsWith('text/event-stream') === true
