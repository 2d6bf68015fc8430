/** Identifiers: a prefix that says what it is, and random characters that are safe in paths, host names and arguments. */
import { randomBytes } from 'node:crypto'

const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'

/** Kinds of identifier. */
export type IdPrefix = 'acc' | 'key' | 'ws' | 'boot' | 'op' | 'req' | 'img' | 'evt'

/** A new identifier with 60 random bits, such as `ws_k3v7q2mzt5ab`. */
export function newId(prefix: IdPrefix): string {
  let id = `${prefix}_`
  for (const byte of randomBytes(12)) id += alphabet[byte & 31]
  return id
}
