/** A gate that lets clients pass while it is open, and knows when all of them rest. */

/** Lets passes through while open. */
export class Gate {
  #opened: PromiseWithResolvers<void> | undefined = Promise.withResolvers<void>()
  #inside = 0
  readonly #waiting = new Set<() => void>()

  open(): void {
    this.#opened?.resolve()
    this.#opened = undefined
  }

  close(): void {
    this.#opened ??= Promise.withResolvers<void>()
  }

  /** Runs `fn` when the gate is open; whoever is inside when it closes goes on to the end of `fn`. */
  async pass<T>(fn: () => Promise<T>): Promise<T> {
    while (this.#opened) await this.#opened.promise
    this.#inside++
    try {
      return await fn()
    } finally {
      this.#inside--
      if (this.#inside === 0) for (const wake of this.#waiting) wake()
    }
  }

  /** Resolves when nobody is inside. */
  async idle(): Promise<void> {
    while (this.#inside > 0) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#waiting.add(resolve)
      await promise
      this.#waiting.delete(resolve)
    }
  }
}
