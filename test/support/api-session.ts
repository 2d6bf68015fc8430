/** One account's view of an API, for tests: JSON in, the whole answer out. */
import assert from 'node:assert/strict'
import type { OperationName } from '@alcove/contract'
import { type Operation, operations } from '@alcove/contract'
import { validBodies } from './api-bodies.ts'
import { createApiClient, type RawAnswer } from './api-client.ts'
import { headersOf, type Keys } from './api-world.ts'

/** An answer with its JSON. */
export interface SessionAnswer extends RawAnswer {
  // biome-ignore lint/suspicious/noExplicitAny: tests look into bodies of every shape.
  readonly body: any
}

/** Requests with one key to one server. */
export interface Session {
  call(method: string, path: string, body?: unknown, headers?: Readonly<Record<string, string>>): Promise<SessionAnswer>
  /** An operation of the table, with the body that fits it unless another is given. */
  perform(name: OperationName, workspaceId?: string, headers?: Readonly<Record<string, string>>, body?: unknown): Promise<SessionAnswer>
  /** Makes a workspace, and returns its id. */
  create(body?: object): Promise<string>
  /** Makes a workspace that an operation has something to do with. */
  createFor(name: OperationName): Promise<string>
}

/** Opens a session; it ends with the test. */
export function openSession(t: { after(fn: () => void): void }, { baseUrl }: { readonly baseUrl: string }, keys: Keys): Session {
  const client = createApiClient(baseUrl)
  t.after(() => client[Symbol.dispose]())
  const call: Session['call'] = async (method, path, body, headers = {}) => {
    const json = body === undefined ? {} : { body: JSON.stringify(body) }
    const answer = await client.send({ method, path, headers: { 'content-type': 'application/json', ...headersOf(keys), ...headers }, ...json })
    return { ...answer, body: answer.text === '' ? undefined : JSON.parse(answer.text) }
  }
  const create = async (body: object = {}): Promise<string> => {
    const { status, body: made, text } = await call('POST', '/workspace', { image: 'busybox', ...body })
    assert.equal(status, 201, text)
    return made.workspace.id
  }
  return {
    call,
    create,
    perform(name, workspaceId = '', headers = {}, body: unknown = validBodies[name]) {
      const { method, path } = operations[name] as Operation
      return call(method, path.replace(':workspaceId', workspaceId), body, headers)
    },
    async createFor(name) {
      const id = await create()
      const first = { startWorkspace: 'stop', resumeWorkspace: 'pause' }[name as string]
      if (first) assert.equal((await call('POST', `/workspace/${id}/${first}`)).status, 200)
      return id
    },
  }
}

/** Names of the operations that change something. */
export function changesWhere(isWanted: (operation: Operation) => boolean): OperationName[] {
  return (Object.entries(operations) as [OperationName, Operation][]).flatMap(([name, operation]) => (isWanted(operation) ? [name] : []))
}
