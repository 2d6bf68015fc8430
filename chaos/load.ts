/**
 * The load: clients of several accounts that create, start, stop, restart, delete and read at random, each request told to the oracle.
 * What they do is a table: whoever adds a verb to the API adds a line to `verbs` (and its effect to `oracle.ts`).
 */
import { systemClock } from '../packages/server/src/lib/clock.ts'
import type { Answer, Api } from './api.ts'
import { Gate } from './gate.ts'
import type { Verb } from './oracle.ts'
import type { Random } from './random.ts'
import { smallest, type World } from './world.ts'

/** How a verb is asked for. */
interface VerbCall {
  readonly verb: Verb
  readonly method: string
  readonly path: (id: string) => string
  readonly body?: (random: Random) => unknown
}

/** The verbs about one workspace. */
export const verbs = {
  start: { verb: 'start', method: 'POST', path: (id) => `/workspace/${id}/start` },
  stop: { verb: 'stop', method: 'POST', path: (id) => `/workspace/${id}/stop` },
  restart: { verb: 'restart', method: 'POST', path: (id) => `/workspace/${id}/restart` },
  pause: { verb: 'pause', method: 'POST', path: (id) => `/workspace/${id}/pause` },
  resume: { verb: 'resume', method: 'POST', path: (id) => `/workspace/${id}/resume` },
  delete: { verb: 'delete', method: 'DELETE', path: (id) => `/workspace/${id}` },
  get: { verb: 'read', method: 'GET', path: (id) => `/workspace/${id}` },
  environment: {
    verb: 'update',
    method: 'PUT',
    path: (id) => `/workspace/${id}`,
    body: (random) => ({ config: { env: [{ key: 'N', value: `${random.int(1000)}` }] } }),
  },
  ttl: { verb: 'update', method: 'PUT', path: (id) => `/workspace/${id}/lifecycle/ttl`, body: (random) => ({ ttl: `${1 + random.int(24)}h` }) },
  metadata: { verb: 'update', method: 'PUT', path: (id) => `/workspace/${id}/metadata`, body: (random) => ({ metadata: { n: `${random.int(1000)}` } }) },
  internet: {
    verb: 'update',
    method: 'PUT',
    path: (id) => `/workspace/${id}`,
    body: (random) => ({ config: { network_config: { allow_internet: random.chance(0.5) } } }),
  },
} as const satisfies Record<string, VerbCall>

/** What a client may do. */
export type Action = 'create' | 'list' | keyof typeof verbs

/** How often each action is drawn, in relation to the others. */
export type Mix = Readonly<Partial<Record<Action, number>>>

/** A bit of everything, with as many deletes as creates. */
export const plainMix: Mix = {
  ...{ create: 30, delete: 22, stop: 10, start: 14, restart: 4, pause: 8, resume: 10 },
  ...{ get: 4, list: 4, internet: 3, environment: 3, ttl: 2, metadata: 2 },
}

/** What the load is made of. */
export interface LoadOptions {
  readonly world: World
  readonly random: Random
  readonly clients?: number
  readonly mix?: Mix
  /** Longest pause of a client between two requests, ms. */
  readonly thinkMs?: number
  /** Body of a create beside its name. */
  readonly request?: Readonly<Record<string, unknown>>
}

/** A load that can be let go and held. */
export interface Load {
  /** Lets the clients go on; first, requests that were not answered are asked again under the same key. */
  resume(): void
  /** Holds the clients before their next request. */
  hold(): void
  /** Resolves when no request is on its way. */
  idle(): Promise<void>
  /** Ends the clients. */
  end(): Promise<void>
  readonly requests: number
  /** Workspaces the clients think are there. */
  readonly workspaces: ReadonlySet<string>
}

/** Makes a load; it is held until it is resumed. */
export function createLoad({ world, random, clients = 8, mix = plainMix, thinkMs = 30, request = smallest }: LoadOptions): Load {
  const gate = new Gate()
  const ends = new AbortController()
  const owned = new Map<string, Set<string>>(world.tenants.map(({ account }) => [account, new Set()]))
  let requests = 0
  const running = Array.from({ length: clients }, (_, index) => client(index))

  async function client(index: number): Promise<void> {
    const own = random.fork(`client-${index}`)
    const api = world.tenants[index % world.tenants.length] as Api
    for (let turn = 0; !ends.signal.aborted; turn++) {
      await gate.pass(() => (ends.signal.aborted ? Promise.resolve() : act(api, own, `n-${index}-${turn}`)))
      await systemClock.sleep(own.int(thinkMs + 1))
    }
  }

  async function act(api: Api, own: Random, name: string): Promise<void> {
    const lost = world.oracle.unanswered().filter(({ account }) => account === api.account)
    const again = lost.length > 0 && own.chance(0.5) ? lost[own.int(lost.length)]?.name : undefined
    if (again !== undefined) return create(api, again)
    const ids = [...(owned.get(api.account) ?? [])]
    // A full account is asked for more now and then only: a refusal costs nothing, and would be most of what is done.
    const isFull = ids.length >= world.limit && own.chance(0.9)
    const action = own.weighted({ ...mix, ...(isFull ? { create: 0 } : {}) } as Record<Action, number>)
    if (action === 'create') return create(api, name)
    if (action === 'list') {
      await ask(api, { verb: 'read' }, () => api.send('GET', '/workspace?limit=100'))
      return
    }
    if (ids.length === 0) return create(api, name)
    const id = ids[own.int(ids.length)] as string
    const call: VerbCall = verbs[action]
    const answer = await ask(api, { verb: call.verb, workspaceId: id }, () => api.send(call.method, call.path(id), call.body ? { body: call.body(own) } : {}))
    if (call.verb === 'delete' && answer.kind === 'answered' && (answer.status === 200 || answer.status === 404)) owned.get(api.account)?.delete(id)
  }

  async function create(api: Api, name: string): Promise<void> {
    const answer = await ask(api, { verb: 'create', name }, () => api.send('POST', '/workspace', { body: { ...request, name }, key: name }))
    const id = answer.kind === 'answered' && answer.status === 201 ? answer.body.workspace?.id : undefined
    if (id !== undefined) owned.get(api.account)?.add(id)
  }

  async function ask(api: Api, what: { verb: Verb; name?: string; workspaceId?: string }, send: () => Promise<Answer>): Promise<Answer> {
    requests++
    const told = world.oracle.sent({ account: api.account, ...what })
    const answer = await send()
    world.oracle.ended(told, answer)
    return answer
  }

  return {
    resume: () => gate.open(),
    hold: () => gate.close(),
    idle: () => gate.idle(),
    async end() {
      ends.abort()
      gate.open()
      await Promise.all(running)
    },
    get requests() {
      return requests
    },
    get workspaces() {
      return new Set([...owned.values()].flatMap((ids) => [...ids]))
    },
  }
}
