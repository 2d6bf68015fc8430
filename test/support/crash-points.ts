/** Ends a control plane between any two steps: before or after a transaction or a call of the runner. What is dead does nothing more. */
import type { Runner } from '../../packages/server/src/runner/runner.ts'
import type { Store } from '../../packages/server/src/store/open.ts'
import type { Control } from '../../packages/server/src/workspace/control.ts'

const acting = ['boot', 'shutdown', 'destroy', 'pause', 'resume'] as const

/** Counts the points that a control plane passes, and ends it at one of them. */
export class CrashPoints {
  /** Resolves when the control plane is dead, with what it was about to do or had just done. */
  readonly died: Promise<string>
  readonly #die: (where: string) => void
  #at = Number.POSITIVE_INFINITY
  #passed = 0
  #isDead = false

  constructor() {
    const { promise, resolve } = Promise.withResolvers<string>()
    this.died = promise
    this.#die = resolve
  }

  /** From now on, the point of this number (from 0) is the last. */
  arm(at: number): void {
    this.#at = at
    this.#passed = 0
  }

  /** Parts of a control plane that end with it. */
  readonly wrap = ({ store, runner }: Control): Pick<Control, 'store' | 'runner'> => {
    const transaction: Store['transaction'] = (fn) => this.#around('transaction', () => store.transaction(fn))
    const calls = acting.map((name) => [name, (...args: unknown[]) => this.#around(name, () => (runner[name] as Call)(...args))])
    return { store: { ...store, transaction }, runner: { ...runner, ...Object.fromEntries(calls) } as Runner }
  }

  async #around<T>(name: string, act: () => Promise<T>): Promise<T> {
    await this.#pass(`before ${name}`)
    try {
      return await act()
    } finally {
      await this.#pass(`after ${name}`)
    }
  }

  #pass(where: string): Promise<void> {
    if (!this.#isDead && this.#passed++ === this.#at) {
      this.#isDead = true
      this.#die(where)
    }
    return this.#isDead ? new Promise(() => {}) : Promise.resolve()
  }
}

type Call = (...args: unknown[]) => Promise<unknown>
