/** Whether something grows: the slope through points that scatter. */

/** A reading: how much was done, and what was measured then. */
export interface Point {
  readonly x: number
  readonly y: number
}

/** Slope of the line through points, in y for each x: the median over all pairs (Theil-Sen), so that single readings that are far off do not tell. */
export function theilSen(points: readonly Point[]): number {
  const slopes = points.flatMap((a, at) => points.slice(at + 1).flatMap((b) => (b.x === a.x ? [] : [(b.y - a.y) / (b.x - a.x)])))
  const sorted = slopes.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  if (sorted.length === 0) return 0
  return sorted.length % 2 === 1 ? (sorted[middle] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2
}

/** The lowest reading of each run of `size` points: what a collector of garbage has not come to yet does not count as growth. */
export function lowest(points: readonly Point[], size: number): Point[] {
  const found: Point[] = []
  for (let at = 0; at + size <= points.length; at += size) found.push(points.slice(at, at + size).reduce((low, point) => (point.y < low.y ? point : low)))
  return found
}
