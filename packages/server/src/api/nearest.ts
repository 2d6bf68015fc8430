/** Finds the name that was probably meant. */

/** The candidate nearest to `name` by edit distance, or `undefined` when none is near. */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
  // A longer name has no near candidate, and the cost grows with its length.
  if (name.length > 64) return undefined
  const plain = name.toLowerCase().replaceAll(/[^a-z0-9]/g, '_')
  const bound = Math.max(2, Math.floor(plain.length / 3))
  let best: { candidate: string; distance: number } | undefined
  for (const candidate of candidates) {
    const distance = editDistance(plain, candidate)
    if (distance <= bound && distance < (best?.distance ?? Number.POSITIVE_INFINITY)) best = { candidate, distance }
  }
  return best?.candidate
}

/** Levenshtein distance, one row at a time. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replace = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replace, (row[j] as number) + 1, (next[j - 1] as number) + 1))
    }
    row = next
  }
  return row[b.length] as number
}
