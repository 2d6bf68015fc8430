/**
 * One turn at a time per workspace: this replaces every lock and every flag. The same action joins the one that waits or runs,
 * others wait their turn, and an action that pre-empts aborts the running one and everything in front of it.
 */
import { AlcoveError, fail } from '../lib/fail.ts'

/** What a turn may be for. */
export type Action =
  | 'create'
  | 'start'
  | 'stop'
  | 'restart'
  | 'pause'
  | 'resume'
  | 'retry'
  | 'resources'
  | 'delete'
  | 'exited'
  | 'expire'
  | 'update'
  | 'recover'

/** Turns that may wait for one workspace; more are refused. */
const maxWaiting = 16

/** Why a turn was aborted in favour of another; whoever asked for it is told as much. */
export class Preempted extends AlcoveError {
  constructor(by: Action) {
    super('conflict', { message: `The action was given up in favour of a later request: ${by}.`, details: { action: by } })
    this.name = 'Preempted'
  }
}

interface Turn {
  readonly action: Action
  readonly controller: AbortController
  readonly done: Promise<unknown>
  readonly begin: () => Promise<void>
}

/** How to take a turn. */
export interface TurnOptions {
  /** Actions that are aborted in favour of this one. */
  readonly preempts?: readonly Action[]
  /** Whether a waiting or running turn of the same action is as good as a new one. Default true. */
  readonly joins?: boolean
}

/** The mailboxes of all workspaces. */
export class Mailboxes {
  readonly #boxes = new Map<string, Turn[]>()

  /** Runs `fn` in the workspace's turn; `signal` aborts when another action pre-empts it. @throws conflict when too many wait */
  run<T>(workspaceId: string, action: Action, fn: (signal: AbortSignal) => Promise<T>, { preempts = [], joins = true }: TurnOptions = {}): Promise<T> {
    const turns = this.#boxes.get(workspaceId) ?? []
    // Only the last turn may be joined: one in front of another action would not have the outcome that is asked for.
    const last = turns.at(-1)
    if (joins && last?.action === action && !last.controller.signal.aborted) return last.done as Promise<T>
    if (turns.length > maxWaiting) {
      fail('conflict', {
        message: `Too many actions wait for the workspace; ${turns[0]?.action} is running. Try again when it is done.`,
        details: { action: turns[0]?.action },
      })
    }
    for (const turn of turns) if (preempts.includes(turn.action)) turn.controller.abort(new Preempted(action))
    const turn = this.#turn(workspaceId, action, fn)
    turns.push(turn)
    this.#boxes.set(workspaceId, turns)
    if (turns.length === 1) void turn.begin()
    return turn.done as Promise<T>
  }

  /** The outcome of the last turn if it is for this action and not over yet. */
  find<T>(workspaceId: string, action: Action): Promise<T> | undefined {
    const last = this.#boxes.get(workspaceId)?.at(-1)
    return last?.action === action ? (last.done as Promise<T>) : undefined
  }

  /** The action in progress, if any. */
  current(workspaceId: string): Action | undefined {
    return this.#boxes.get(workspaceId)?.[0]?.action
  }

  /** Aborts the action in progress for another reason than a later one. */
  abort(workspaceId: string, reason: Error): void {
    this.#boxes.get(workspaceId)?.[0]?.controller.abort(reason)
  }

  /** Resolves when no turn of any workspace is left. */
  async idle(): Promise<void> {
    while (this.#boxes.size > 0) await Promise.allSettled([...this.#boxes.values()].flatMap((turns) => turns.map((turn) => turn.done)))
  }

  #turn<T>(workspaceId: string, action: Action, fn: (signal: AbortSignal) => Promise<T>): Turn {
    const controller = new AbortController()
    const { promise, resolve, reject } = Promise.withResolvers<T>()
    // Whoever asked may have gone away: the outcome is in the row.
    promise.catch(() => {})
    const begin = async () => {
      try {
        controller.signal.throwIfAborted()
        resolve(await fn(controller.signal))
      } catch (error) {
        reject(error)
      }
      this.#next(workspaceId)
    }
    return { action, controller, done: promise, begin }
  }

  #next(workspaceId: string): void {
    const turns = this.#boxes.get(workspaceId) ?? []
    turns.shift()
    const next = turns[0]
    if (next) void next.begin()
    else this.#boxes.delete(workspaceId)
  }
}
