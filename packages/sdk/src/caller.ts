/** The two kinds of call there are: one that reads, and one that changes something. */
import { ValidationError } from './errors.ts'
import type { ApiRequest } from './request.ts'
import type { Call, Transport } from './transport.ts'

/** Options of every call. */
export interface CallOptions {
  /** Ends the call; it then rejects with the signal's reason. What the server began, it finishes. */
  readonly signal?: AbortSignal
  /** Longest time of this call with all its retries, ms. */
  readonly timeoutMs?: number
}

/** Options of a create. */
export interface CreateOptions extends CallOptions {
  /** The same key with the same request has the answer of the first, for 24 hours; random when absent. At most 255 characters. */
  readonly idempotencyKey?: string
}

/** Options of a call that changes a workspace. */
export interface ChangeOptions extends CreateOptions {
  /** Refuses the call with a `PreconditionFailedError` when the workspace has another `generation`: it has been started anew since. */
  readonly ifGeneration?: number
}

/** A call that changes something. */
export interface Change extends ApiRequest {
  readonly method: 'POST' | 'PUT' | 'DELETE'
  /** Key the answer must have. */
  readonly expect: string
  /** Whether it boots or ends a VM, or may wait for that. */
  readonly isSlow?: boolean
  readonly doneIfLost?: number
  /** Whether twice is as good as once: no key is made up for it, which the server would have to remember. */
  readonly isHarmlessTwice?: boolean
}

/** Sends the calls of one client. */
export interface Caller {
  /** Reads. @returns The answer, whose envelope was checked and that the key `expect` is there; the rest is the server's word. */
  read<T>(pathAndQuery: string, expect: string, options: CallOptions | undefined): Promise<T>
  /** Changes something; sent again under the same idempotency key, so that it acts once. @returns As {@link Caller.read}. */
  change<T>(change: Change, options: ChangeOptions | undefined): Promise<T>
}

/** Longest time of a call that boots or ends a VM, and of any other, ms. */
const slowTimeoutMs = 600_000
const plainTimeoutMs = 60_000

/** Makes a caller over a transport. */
export function createCaller({ transport }: { readonly transport: Transport }): Caller {
  const send = async <T>(call: Omit<Call, 'signal' | 'timeoutMs'>, options: CallOptions | undefined) =>
    (await transport.send({ ...call, signal: options?.signal, timeoutMs: options?.timeoutMs })) as T
  return {
    read: (path, expect, options) => send({ method: 'GET', path, repeat: 'safe', expect, defaultTimeoutMs: plainTimeoutMs }, options),
    async change({ isSlow, isHarmlessTwice = false, ...change }, options) {
      const key = options?.idempotencyKey ?? (isHarmlessTwice ? undefined : newKey())
      const headers = {
        ...(key === undefined ? {} : { 'Idempotency-Key': key }),
        ...(options?.ifGeneration === undefined ? {} : { 'If-Match': renderGeneration(options.ifGeneration) }),
      }
      return send({ ...change, headers, repeat: 'keyed', defaultTimeoutMs: isSlow ? slowTimeoutMs : plainTimeoutMs }, options)
    },
  }
}

/** 128 random bits; `randomUUID` is missing in browsers on pages without TLS. */
function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return `sdk_${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}`
}

/** An entity tag. @see RFC 9110, section 8.8.3 */
function renderGeneration(generation: number): string {
  if (Number.isSafeInteger(generation) && generation >= 0) return `"${generation}"`
  throw new ValidationError('ifGeneration must be the generation of a workspace, an integer of 0 or more', { code: 'validation_error' })
}
