/** Bytes of a guest, with a type: they leave only through a schema. */
import type { Static, TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { GuestProtocolError } from './frame.ts'

/** Something a guest sent. */
export class Untrusted {
  readonly #text: string

  constructor(text: string) {
    this.#text = text
  }

  /** Parses JSON of a schema. @throws GuestProtocolError */
  parse<T extends TSchema>(schema: T, what: string): Static<T> {
    let value: unknown
    try {
      value = JSON.parse(this.#text)
    } catch {
      throw new GuestProtocolError(`${what} is not JSON`)
    }
    if (!Value.Check(schema, value)) {
      const [first] = Value.Errors(schema, value)
      throw new GuestProtocolError(`${what} is malformed at "${first?.instancePath ?? ''}"`)
    }
    return value as Static<T>
  }
}
