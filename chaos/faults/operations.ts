/** Single operations for sweeps: the state each begins in, and the request itself; the oracle is told of all of them. */
import type { Answer, Api } from '../api.ts'
import type { Verb } from '../oracle.ts'
import { smallest, type World } from '../world.ts'

/** The operations that can be swept. Whoever adds a verb to the API adds a line. */
export const targets = {
  create: { from: 'none', method: 'POST', path: () => '/workspace' },
  start: { from: 'stopped', method: 'POST', path: (id: string) => `/workspace/${id}/start` },
  stop: { from: 'running', method: 'POST', path: (id: string) => `/workspace/${id}/stop` },
  restart: { from: 'running', method: 'POST', path: (id: string) => `/workspace/${id}/restart` },
  pause: { from: 'running', method: 'POST', path: (id: string) => `/workspace/${id}/pause` },
  resume: { from: 'paused', method: 'POST', path: (id: string) => `/workspace/${id}/resume` },
  delete: { from: 'running', method: 'DELETE', path: (id: string) => `/workspace/${id}` },
} as const satisfies Partial<Record<Verb, { from: string; method: string; path: (id: string) => string }>>

/** An operation. */
export type Target = keyof typeof targets

/** Asks for operations one at a time, in a world of one workspace at most. */
export class Operations {
  readonly world: World
  readonly #api: Api
  #creates = 0

  constructor(world: World) {
    this.world = world
    this.#api = world.tenants[0] as Api
  }

  /** Makes the state that `target` begins in. The world must rest. @throws when it cannot be made */
  async bring(target: Target): Promise<void> {
    const { from } = targets[target]
    const [first, ...others] = await this.#api.list()
    for (const { id } of others) await this.must('delete', id)
    if (from === 'none') return void (first && (await this.must('delete', first.id)))
    const id = first?.id ?? (await this.must('create'))
    const status = first?.status ?? 'running'
    if (status === from) return
    if (from === 'stopped') return void (await this.must('stop', id))
    if (status !== 'running') await this.must(status === 'paused' ? 'resume' : 'start', id)
    if (from === 'paused') await this.must('pause', id)
  }

  /** Asks for the operation; says what came back. */
  async apply(target: Target): Promise<Answer> {
    const { from } = targets[target]
    const [first] = from === 'none' ? [] : await this.#api.list()
    return this.#ask(target, first?.id ?? '')
  }

  /** Asks for an operation that must succeed; returns the workspace. */
  async must(target: Target, id = ''): Promise<string> {
    const answer = await this.#ask(target, id)
    if (answer.kind === 'answered' && answer.status < 300) return answer.body.workspace?.id ?? id
    throw new Error(`${target} of ${id || 'a workspace'} failed: ${JSON.stringify(answer)}`)
  }

  async #ask(target: Target, id: string): Promise<Answer> {
    const { method, path } = targets[target]
    const { oracle } = this.world
    const name = `op-${++this.#creates}`
    const isCreate = target === 'create'
    const act = oracle.sent({ verb: target, account: this.#api.account, ...(isCreate ? { name } : { workspaceId: id }) })
    const answer = await this.#api.send(method, path(id), isCreate ? { body: { ...smallest, name }, key: name } : {})
    oracle.ended(act, answer)
    return answer
  }
}
