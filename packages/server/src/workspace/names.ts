/** Display names for workspaces that were given none. */
import { randomInt } from 'node:crypto'

const adjectives = [
  'amber',
  'brisk',
  'calm',
  'clear',
  'deep',
  'early',
  'fair',
  'gentle',
  'hidden',
  'keen',
  'light',
  'mild',
  'noble',
  'open',
  'plain',
  'quiet',
  'round',
  'still',
  'swift',
  'warm',
]
const nouns = [
  'arbor',
  'bay',
  'brook',
  'cove',
  'delta',
  'dune',
  'fjord',
  'glade',
  'grove',
  'harbor',
  'inlet',
  'isle',
  'lagoon',
  'meadow',
  'nook',
  'reef',
  'ridge',
  'shore',
  'strand',
  'vale',
]

/** A name such as `quiet-cove-417`; not unique, and it need not be. */
export function generateName(): string {
  return `${adjectives[randomInt(adjectives.length)]}-${nouns[randomInt(nouns.length)]}-${randomInt(100, 1000)}`
}
