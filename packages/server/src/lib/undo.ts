/** A stack of undo actions: what acquires something pushes its release on the next line. */

/** Collects undo actions; runs them in reverse unless {@link UndoStack.commit} was called. */
export class UndoStack implements AsyncDisposable {
  readonly #actions: { name: string; undo: () => Promise<void> }[] = []
  readonly #onError: (name: string, error: unknown) => void

  constructor(onError: (name: string, error: unknown) => void) {
    this.#onError = onError
  }

  /** Adds the release of what was just acquired. */
  push(name: string, undo: () => Promise<void>): void {
    this.#actions.push({ name, undo })
  }

  /** Keeps everything acquired so far. */
  commit(): void {
    this.#actions.length = 0
  }

  /** Releases in reverse order; a failing release is reported and the rest still runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (let action = this.#actions.pop(); action; action = this.#actions.pop()) {
      try {
        await action.undo()
      } catch (error) {
        this.#onError(action.name, error)
      }
    }
  }
}
