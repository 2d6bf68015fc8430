/** The client: credentials and address in, resources out. */
import { createCaller } from './caller.ts'
import { createEvents, type Events } from './events.ts'
import { createOperations, type Operations } from './operations.ts'
import type { Fetch } from './request.ts'
import { createTransport } from './transport.ts'
import { createWorkspaces, type Workspaces } from './workspaces.ts'

/** What a client needs to know. */
export interface AlcoveOptions {
  /** Id of the API key. */
  readonly clientId: string
  /** Secret of the API key. */
  readonly clientSecret: string
  /** Address of the server, such as `http://127.0.0.1:8080`; a path prefix is kept. */
  readonly baseUrl: string
  /** Used instead of the global `fetch`. */
  readonly fetch?: Fetch
  /** How often a request is sent again after a failure that may pass; default 4. */
  readonly maxRetries?: number
  /** Longest time of one call with all its retries, ms; default 60 s, and 10 min for calls that boot or end a VM. */
  readonly timeoutMs?: number
}

/** A client of one Alcove server, with one API key. */
export class Alcove {
  /** The workspaces of the account. */
  readonly workspaces: Workspaces
  /** What was done with them. */
  readonly operations: Operations
  /** What happens to them. */
  readonly events: Events

  /** Makes a client; nothing is sent yet. @throws TypeError when an option is missing or malformed. */
  constructor(options: AlcoveOptions) {
    for (const name of ['clientId', 'clientSecret', 'baseUrl'] as const) {
      if (typeof options?.[name] !== 'string' || options[name] === '') throw new TypeError(`Alcove: the option ${name} must be a non-empty string`)
    }
    const maxRetries = options.maxRetries ?? 4
    if (!Number.isInteger(maxRetries) || maxRetries < 0) throw new TypeError('Alcove: maxRetries must be an integer of 0 or more')
    if (options.timeoutMs !== undefined && !(options.timeoutMs > 0)) throw new TypeError('Alcove: timeoutMs must be more than 0')
    const transport = createTransport({
      baseUrl: parseBaseUrl(options.baseUrl),
      headers: { 'X-Client-ID': options.clientId, 'X-Client-Secret': options.clientSecret },
      // Called through an arrow function: browsers refuse a `fetch` whose `this` is not the window.
      fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
      maxRetries,
      timeoutMs: options.timeoutMs,
    })
    const caller = createCaller({ transport })
    this.workspaces = createWorkspaces(caller)
    this.operations = createOperations(caller)
    this.events = createEvents({ transport })
  }
}

function parseBaseUrl(text: string): string {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw new TypeError(`Alcove: baseUrl is not a URL: ${text}`)
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new TypeError(`Alcove: baseUrl must begin with http:// or https://: ${text}`)
  if (url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '') {
    throw new TypeError('Alcove: baseUrl must hold neither query, fragment nor user')
  }
  return url.href.replace(/\/+$/, '')
}
