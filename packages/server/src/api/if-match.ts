/** Which boots of a workspace a caller means. @see RFC 9110, 13.1.1 */
import { fail } from '../lib/fail.ts'

/** Generations that an `If-Match` names; `undefined` when any will do. A weak or foreign tag matches none. @throws validation_error */
export function parseIfMatch(header: string | undefined): readonly number[] | undefined {
  if (header === undefined || header.trim() === '*') return undefined
  const tags = header.split(',').map((tag) => tag.trim())
  if (!tags.every((tag) => /^(W\/)?"[\x21\x23-\x7e]{0,64}"$/.test(tag) || /^[0-9]{1,15}$/.test(tag))) {
    fail('validation_error', {
      message: 'If-Match must be an ETag of the workspace, such as "3", or *.',
      details: { field: 'If-Match', allowed: '"<generation>"' },
    })
  }
  return tags.flatMap((tag) => {
    const generation = /^"?([0-9]{1,15})"?$/.exec(tag)?.[1]
    return generation === undefined ? [] : [Number(generation)]
  })
}
