/**
 * Addresses of the veth pair between host and namespace: a /30 out of 169.254.0.0/16, chosen by a hash of the install id.
 *
 * Link-local, because private and shared ranges are in use on many hosts (and a VPN may filter 100.64.0.0/10); the blocks in which clouds
 * put their services, and those that RFC 3927 reserves, are left out. Pure.
 */

/** One transfer network. */
export interface Transfer {
  /** Address of the host's end; the gateway of the namespace. */
  readonly hostIp: string
  readonly insideIp: string
}

/** An IPv4 range, as number and prefix length. */
interface Range {
  readonly base: number
  readonly length: number
}

const excludedBlocks = new Set([0, 169, 170, 255])
const networksPerBlock = 64

/** The first network, from the hash on, that overlaps no range in use on the host; `undefined` when all are taken. */
export function chooseTransfer(hash: number, rangesInUse: readonly string[]): Transfer | undefined {
  const used = rangesInUse.flatMap((range) => parseRange(range) ?? []).filter(({ length }) => length > 0)
  const count = 256 * networksPerBlock
  for (let step = 0; step < count; step++) {
    const index = (hash + step) % count
    if (excludedBlocks.has(Math.floor(index / networksPerBlock))) continue
    const candidate = { base: 0xa9fe0000 + index * 4, length: 30 }
    if (!used.some((range) => overlaps(range, candidate))) return transferAt(candidate.base)
  }
  return undefined
}

/** The transfer network that has `hostIp` as the address of the host. */
export function transferOf(hostIp: string): Transfer | undefined {
  const range = parseRange(hostIp)
  return range && range.base % 4 === 1 && hostIp.startsWith('169.254.') ? transferAt(range.base - 1) : undefined
}

function transferAt(base: number): Transfer {
  return { hostIp: renderIp(base + 1), insideIp: renderIp(base + 2) }
}

function renderIp(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.')
}

function parseRange(text: string): Range | undefined {
  const parts = /^(\d+)\.(\d+)\.(\d+)\.(\d+)(?:\/(\d+))?$/.exec(text)?.slice(1)
  if (!parts) return undefined
  const [a = 0, b = 0, c = 0, d = 0] = parts.map(Number)
  return { base: ((a << 24) | (b << 16) | (c << 8) | d) >>> 0, length: parts[4] === undefined ? 32 : Number(parts[4]) }
}

function overlaps(one: Range, other: Range): boolean {
  const shift = 32 - Math.min(one.length, other.length)
  return shift === 32 || one.base >>> shift === other.base >>> shift
}
