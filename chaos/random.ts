/** Chance from a seed: the same seed draws the same. */

/** A stream of chance. */
export interface Random {
  /** From 0 (inclusive) to 1 (exclusive). */
  next(): number
  /** An integer from 0 to `end` - 1. */
  int(end: number): number
  /** True with this probability. */
  chance(probability: number): boolean
  pick<T>(list: readonly [T, ...T[]] | readonly T[]): T
  /** A key, each as often as its weight says. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K
  shuffle<T>(list: readonly T[]): T[]
  /** Another stream that depends on this one's seed and the name only, not on what was drawn before. */
  fork(name: string): Random
}

/** Makes the stream of a seed. */
export function createRandom(seed: number | string): Random {
  const next = generator(hash(String(seed)))
  const random: Random = {
    next,
    int: (end) => Math.floor(next() * end),
    chance: (probability) => next() < probability,
    pick(list) {
      if (list.length === 0) throw new RangeError('nothing to pick from')
      return list[random.int(list.length)] as (typeof list)[number]
    },
    weighted(weights) {
      const entries = Object.entries(weights) as [keyof typeof weights, number][]
      let at = next() * entries.reduce((sum, [, weight]) => sum + weight, 0)
      for (const [key, weight] of entries) {
        at -= weight
        if (at < 0) return key
      }
      throw new RangeError('no weight above 0')
    },
    shuffle(list) {
      const out = [...list]
      for (let last = out.length - 1; last > 0; last--) {
        const other = random.int(last + 1)
        ;[out[last], out[other]] = [out[other] as (typeof out)[number], out[last] as (typeof out)[number]]
      }
      return out
    },
    fork: (name) => createRandom(`${seed}/${name}`),
  }
  return random
}

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (const byte of Buffer.from(text)) value = Math.imul(value ^ byte, 0x01000193)
  return value >>> 0
}

/** Mulberry32: 32 bits of state are plenty for choosing what to do next. */
function generator(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
