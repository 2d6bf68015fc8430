/**
 * The oracle outside the process under test: every request is written to its file before it is sent, every answer after it has arrived.
 * After a recovery it says what the server has forgotten, made up, or done that nobody asked for.
 */
import { closeSync, openSync, writeSync } from 'node:fs'
import type { Answer, WorkspaceView } from './api.ts'
import type { Identity } from './identity.ts'

/** What a request asks for. */
export type Verb = keyof typeof effects

/** Status that each verb leaves behind; `null` for those that change none. Whoever adds a verb to the load adds it here. */
export const effects = {
  create: 'running',
  start: 'running',
  restart: 'running',
  stop: 'stopped',
  pause: 'paused',
  resume: 'running',
  update: null,
  ping: null,
  delete: 'gone',
  read: null,
} as const

/** Verbs after which another process may be the VM. */
const identityChangers: ReadonlySet<Verb> = new Set(['create', 'start', 'restart', 'stop', 'delete'])

/** A request and what became of it. */
export interface Act {
  readonly verb: Verb
  readonly account: string
  /** Unique name of the workspace, for a create; also its idempotency key. */
  readonly name?: string | undefined
  workspaceId?: string | undefined
  readonly sentAt: number
  /** Infinity while the request is on its way. */
  endedAt: number
  /** `lost`: not answered, or answered with a failure that leaves open what was done. */
  outcome: 'pending' | 'acknowledged' | 'refused' | 'lost'
}

/** What is known of a workspace. */
interface Known {
  /** Status when the world was last seen at rest. */
  base?: string
  /** Requests since then. */
  acts: Act[]
  /** Requests after which another process may be the VM, ever. */
  changes: number
  seen?: { readonly identity: Identity; readonly changes: number }
}

/** Keeps the record of what was asked and answered. */
export class Oracle {
  /** Answers of the 5xx kind other than 503 and 507: a broken promise in itself. */
  readonly serverErrors: string[] = []
  readonly counts: Record<string, number> = {}
  readonly #file: number
  readonly #creates = new Map<string, Act[]>()
  readonly #known = new Map<string, Known>()
  #clock = 0

  constructor(path: string) {
    this.#file = openSync(path, 'a')
  }

  close(): void {
    closeSync(this.#file)
  }

  /** To be called before a request is sent. */
  sent(act: Pick<Act, 'verb' | 'account' | 'name' | 'workspaceId'>): Act {
    const kept: Act = { ...act, sentAt: ++this.#clock, endedAt: Number.POSITIVE_INFINITY, outcome: 'pending' }
    this.#write({ event: 'sent', ...kept })
    if (act.name !== undefined) this.#creates.set(act.name, [...(this.#creates.get(act.name) ?? []), kept])
    if (act.workspaceId !== undefined) this.#note(act.workspaceId, kept)
    return kept
  }

  /** To be called when the answer has arrived, or it is plain that none will. */
  ended(act: Act, answer: Answer): void {
    act.endedAt = ++this.#clock
    act.outcome = outcomeOf(act, answer)
    const status = answer.kind === 'answered' ? answer.status : 0
    const id = answer.kind === 'answered' && act.verb === 'create' ? answer.body.workspace?.id : undefined
    if (id !== undefined && act.outcome === 'acknowledged') {
      act.workspaceId = id
      this.#note(id, act)
    }
    this.#write({ event: 'ended', ...act, status, ...(answer.kind === 'unanswered' ? { reason: answer.reason } : { code: answer.body.code }) })
    this.#count(`${act.verb}_${act.outcome}`)
    if (status >= 500 && status !== 503 && status !== 507) {
      this.serverErrors.push(
        `${act.verb} of ${act.workspaceId ?? act.name} was answered with ${status} ${answer.kind === 'answered' ? JSON.stringify(answer.body) : ''}`,
      )
    }
  }

  /** Creates that were not answered, or not yet. */
  unanswered(): Act[] {
    return [...this.#creates.values()].flatMap((acts) => {
      const last = acts.at(-1)
      return last?.outcome === 'lost' ? [last] : []
    })
  }

  /**
   * Compares a world at rest with the record: `observed` is every workspace of every account, `identities` the VMs of those that run.
   * Returns what is wrong, and remembers the identities for the next time.
   */
  check(observed: readonly WorkspaceView[], identities: ReadonlyMap<string, Identity>): string[] {
    const views = new Map(observed.map((view) => [view.id, view]))
    return [...this.#checkCreates(observed), ...this.#checkKnown(views), ...this.#checkIdentities(views, identities)]
  }

  /** One workspace for each acknowledged create, none for a refused one, at most one for a lost one. */
  #checkCreates(observed: readonly WorkspaceView[]): string[] {
    const wrong: string[] = []
    const byName = new Map<string, WorkspaceView[]>()
    for (const view of observed) byName.set(view.name, [...(byName.get(view.name) ?? []), view])
    for (const [name, views] of byName) {
      const acts = this.#creates.get(name)
      if (!acts) wrong.push(`nobody asked for ${name} (${views.map(({ id }) => id).join(', ')})`)
      else if (views.length > 1) wrong.push(`one create made ${views.length} workspaces: ${views.map(({ id }) => id).join(', ')}`)
      else if (acts.every(({ outcome }) => outcome === 'refused')) wrong.push(`the create of ${name} was refused, and ${views[0]?.id} is there`)
    }
    for (const [name, acts] of this.#creates) {
      const ids = new Set(acts.flatMap(({ outcome, workspaceId }) => (outcome === 'acknowledged' && workspaceId !== undefined ? [workspaceId] : [])))
      if (ids.size > 1) wrong.push(`the create of ${name} was answered with ${[...ids].join(' and ')}`)
      const [view] = byName.get(name) ?? []
      if (!view || ids.has(view.id)) continue
      // The answer was lost: from here on it is like any other.
      if (ids.size > 0) wrong.push(`the create of ${name} was answered with ${[...ids].join()}, but ${view.id} is there`)
      this.#adopt(view.id, acts)
    }
    return wrong
  }

  #adopt(id: string, acts: readonly Act[]): void {
    if (this.#known.has(id)) return
    for (const act of acts) if (act.outcome === 'lost') this.#note(id, act)
  }

  #checkKnown(views: ReadonlyMap<string, WorkspaceView>): string[] {
    const wrong: string[] = []
    for (const [id, known] of this.#known) {
      const status = views.get(id)?.status ?? 'gone'
      const allowed = allowedStatuses(known)
      if (!allowed.has(status)) wrong.push(`${id} is ${status}${failureOf(views.get(id))}, should be ${[...allowed].join(' or ')}: ${history(known)}`)
      // What was open is settled now: a lost request that turned out not to be done must not be done later.
      known.base = status
      known.acts = known.acts.filter(({ outcome }) => outcome === 'pending')
    }
    return wrong
  }

  #checkIdentities(views: ReadonlyMap<string, WorkspaceView>, identities: ReadonlyMap<string, Identity>): string[] {
    const wrong: string[] = []
    for (const [id, { status }] of views) {
      const known = this.#of(id)
      const identity = identities.get(id)
      const { seen, changes } = known
      if (seen && identity && seen.changes === changes && seen.identity.key !== identity.key) {
        wrong.push(`${id} was started anew though nobody asked: ${seen.identity.key} became ${identity.key}`)
      }
      if (!identity && (status === 'running' || status === 'paused')) wrong.push(`${id} is ${status} and no living process is its virtual machine`)
      if (identity) known.seen = { identity, changes }
      else delete known.seen
    }
    return wrong
  }

  #note(id: string, act: Act): void {
    const known = this.#of(id)
    known.acts.push(act)
    if (identityChangers.has(act.verb)) known.changes++
  }

  #of(id: string): Known {
    const known = this.#known.get(id) ?? { acts: [], changes: 0 }
    this.#known.set(id, known)
    return known
  }

  #count(name: string): void {
    this.counts[name] = (this.counts[name] ?? 0) + 1
  }

  #write(line: unknown): void {
    writeSync(this.#file, `${JSON.stringify(line)}\n`)
  }
}

/**
 * Statuses in which a workspace at rest may be. An acknowledged request settles what was over before it was sent; requests that were under
 * way side by side may have been done in any order, and a lost one done or not.
 */
function allowedStatuses({ base, acts }: Known): Set<string> {
  const effective = acts.filter(({ verb, outcome }) => effects[verb] !== null && (outcome === 'acknowledged' || outcome === 'lost'))
  if (base === 'gone' || effective.some(({ verb, outcome }) => verb === 'delete' && outcome === 'acknowledged')) return new Set(['gone'])
  const acknowledged = effective.filter(({ outcome }) => outcome === 'acknowledged')
  const unsettled = effective.filter((act) => act.verb === 'delete' || !acknowledged.some((later) => later.sentAt > act.endedAt))
  const statuses = new Set<string>(unsettled.map(({ verb }) => effects[verb] ?? ''))
  if (acknowledged.length === 0 && base !== undefined) statuses.add(base)
  // A create of which no answer is known may have been undone as a whole.
  if (acknowledged.length === 0 && base === undefined) statuses.add('gone')
  return statuses
}

/** A failure of the server leaves open what was done; a refusal says that nothing was. Deleting what is gone is as good as done. */
function outcomeOf({ verb }: Act, answer: Answer): Act['outcome'] {
  if (answer.kind === 'unanswered') return 'lost'
  if (answer.status >= 200 && answer.status < 300) return 'acknowledged'
  if (verb === 'delete' && answer.status === 404) return 'acknowledged'
  return answer.status >= 500 ? 'lost' : 'refused'
}

function failureOf(view: WorkspaceView | undefined): string {
  const failure = view?.info.failure
  return failure ? ` (${failure.code}: ${failure.message})` : ''
}

function history({ base, acts }: Known): string {
  const last = acts.slice(-6).map(({ verb, outcome, sentAt, endedAt }) => `${verb} ${outcome} ${sentAt}-${endedAt}`)
  return [...(base ? [`was ${base}`] : []), ...last].join(', ')
}
