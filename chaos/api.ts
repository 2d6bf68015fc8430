/** The HTTP API as a load driver needs it: what was answered, or that nothing was; no retry, no interpretation. */

/** What came back of one request. */
export type Answer =
  | { readonly kind: 'answered'; readonly status: number; readonly body: Body; readonly headers: Headers; readonly ms: number }
  /** The connection broke or the time ran out: the server may have done it or not. */
  | { readonly kind: 'unanswered'; readonly reason: string; readonly ms: number }

/** An answer's body, as far as drivers look into it. */
export interface Body {
  readonly success?: boolean
  readonly code?: string
  readonly message?: string
  readonly workspace?: WorkspaceView
  readonly workspaces?: readonly WorkspaceView[]
  readonly total?: number
  readonly [key: string]: unknown
}

/** A workspace as the API shows it, as far as drivers look into it. */
export interface WorkspaceView {
  readonly id: string
  readonly name: string
  readonly status: string
  readonly ip: string
  readonly uptime: number
  readonly info: { readonly failure?: { readonly code: string; readonly message: string } }
  readonly [key: string]: unknown
}

/** What a request may carry. */
export interface RequestOptions {
  readonly body?: unknown
  /** Sent as `Idempotency-Key`. */
  readonly key?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly timeoutMs?: number
  /** Cuts the connection. */
  readonly signal?: AbortSignal
}

/** One account's way to the API. */
export interface Api {
  readonly account: string
  send(method: string, path: string, options?: RequestOptions): Promise<Answer>
  /** Every workspace of the account. @throws when the server does not answer with a list */
  list(): Promise<WorkspaceView[]>
}

/** Makes the way of one account. `clientId` and `clientSecret` are those of its key. */
export function createApi(baseUrl: string, account: string, { clientId, clientSecret }: { readonly clientId: string; readonly clientSecret: string }): Api {
  const credentials = { 'x-client-id': clientId, 'x-client-secret': clientSecret }
  const api: Api = {
    account,
    async send(method, path, { body, key, headers = {}, timeoutMs = 60_000, signal } = {}) {
      const began = performance.now()
      const ms = () => performance.now() - began
      const ends = AbortSignal.any([AbortSignal.timeout(timeoutMs), ...(signal ? [signal] : [])])
      try {
        const response = await fetch(new URL(path, baseUrl), {
          method,
          headers: {
            ...credentials,
            ...(body === undefined ? {} : { 'content-type': 'application/json' }),
            ...(key ? { 'idempotency-key': key } : {}),
            ...headers,
          },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
          signal: ends,
        })
        return { kind: 'answered', status: response.status, body: parse(await response.text()), headers: response.headers, ms: ms() }
      } catch (error) {
        return { kind: 'unanswered', reason: reasonOf(error), ms: ms() }
      }
    },
    async list() {
      const found: WorkspaceView[] = []
      for (let page = 1; ; page++) {
        const answer = await api.send('GET', `/workspace?limit=100&page=${page}`, { timeoutMs: 10_000 })
        if (answer.kind === 'unanswered') throw new Error(`the list was not answered: ${answer.reason}`)
        const { workspaces, total } = answer.body
        if (answer.status !== 200 || !workspaces) throw new Error(`the list was answered with ${answer.status} ${JSON.stringify(answer.body).slice(0, 200)}`)
        found.push(...workspaces)
        if (workspaces.length === 0 || found.length >= (total ?? 0)) return found
      }
    },
  }
  return api
}

/** A body that is no JSON object is kept as text: the figures judge it. */
function parse(text: string): Body {
  try {
    const body: unknown = JSON.parse(text)
    if (typeof body === 'object' && body !== null) return body as Body
  } catch {
    // Told below.
  }
  return { text }
}

function reasonOf(error: unknown): string {
  const { message, cause } = error as Error & { cause?: { code?: string; message?: string } }
  return [message, cause?.code ?? cause?.message].filter(Boolean).join(': ')
}
