/** Checks of values that people wrote: each mistake is reported with its place and checking goes on. */

/** Keys and indexes from the top of the file to a value. */
export type Path = readonly (string | number)[]

/** Reports a mistake. */
export type Report = (path: Path, message: string) => void

/** Returns the value if it is right; reports and returns `undefined` otherwise. */
export type Check<T> = (value: unknown, path: Path, report: Report) => T | undefined

/** Accepts whole numbers from `min` to `max`. */
export function integer(min: number, max: number): Check<number> {
  return (value, path, report) => {
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value
    report(path, `must be a whole number from ${min} to ${max}`)
    return undefined
  }
}

/** Accepts text that matches. @param what the form in words, after "must be" */
export function text(pattern: RegExp, what: string): Check<string> {
  return (value, path, report) => {
    if (typeof value === 'string' && pattern.test(value)) return value
    report(path, `must be ${what}`)
    return undefined
  }
}

/** Accepts one of some words; a near miss is named. */
export function oneOf<const T extends string>(words: readonly T[]): Check<T> {
  return (value, path, report) => {
    const found = words.find((word) => word === value)
    if (found === undefined) report(path, `must be one of ${words.join(', ')}${suggestion(value, words)}`)
    return found
  }
}

/** Accepts a list of at most `max` items that each pass. */
export function list<T>(item: Check<T>, max: number): Check<T[]> {
  return (value, path, report) => {
    if (!Array.isArray(value) || value.length > max) {
      report(path, `must be a list of at most ${max} items`)
      return undefined
    }
    return value.flatMap((entry, index) => item(entry, [...path, index], report) ?? [])
  }
}

/** Accepts a mapping from any matching name to a value that passes. */
export function mapping<T>(name: RegExp, what: string, item: Check<T>): Check<Record<string, T>> {
  return (value, path, report) => {
    if (!isMapping(value)) {
      report(path, 'must be a mapping')
      return undefined
    }
    const result: Record<string, T> = {}
    for (const [key, entry] of Object.entries(value)) {
      if (!name.test(key)) report([...path, key], `is not a good name: use ${what}`)
      const checked = item(entry, [...path, key], report)
      if (checked !== undefined) result[key] = checked
    }
    return result
  }
}

/** Accepts a mapping with these fields and no others; a near miss is named. */
export function fields<T extends Record<string, unknown>>(
  checks: { readonly [K in keyof T]-?: Check<NonNullable<T[K]>> },
  required: readonly (keyof T)[] = [],
): Check<T> {
  return (value, path, report) => {
    if (!isMapping(value)) {
      report(path, 'must be a mapping')
      return undefined
    }
    const result: Record<string, unknown> = {}
    for (const [key, entry] of Object.entries(value)) {
      const check = Object.hasOwn(checks, key) ? checks[key as keyof T] : undefined
      if (!check) report([...path, key], `is not a known key${suggestion(key, Object.keys(checks))}`)
      else result[key] = check(entry, [...path, key], report)
    }
    for (const key of required) if (!Object.hasOwn(value, key)) report(path, `needs ${String(key)}`)
    return result as T
  }
}

/** Whether a value is an object with keys. */
export function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Returns `; did you mean x?` when one of the words is near, else nothing. */
export function suggestion(value: unknown, words: readonly string[]): string {
  if (typeof value !== 'string' || value.length > 64) return ''
  const near = words.map((word) => ({ word, distance: distance(value.toLowerCase(), word.toLowerCase()) })).sort((a, b) => a.distance - b.distance)[0]
  return near && near.distance <= Math.max(2, Math.floor(near.word.length / 3)) ? `; did you mean ${near.word}?` : ''
}

/** Counts the insertions, removals and replacements between two words (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
