/** Reading the values of options. */
import { InvalidArgumentError } from 'commander'

/** Reads a size: `512` and `512m` are MiB, `2g` is GiB. @returns MiB. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(m|mb|mib|g|gb|gib|t|tb|tib)?$/i.exec(text.trim())
  const factor = { m: 1, g: 1024, t: 1024 * 1024 }[(match?.[2]?.[0] ?? 'm').toLowerCase() as 'm' | 'g' | 't']
  const size = Number(match?.[1]) * factor
  if (!Number.isSafeInteger(size)) throw new InvalidArgumentError('Give whole MiB or GiB, such as 512, 512m or 2g.')
  return size
}

/** Reads a whole number of 0 or more. */
export function parseCount(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('Give a whole number.')
  return Number(text)
}

/** Reads one `NAME=value` and adds it to those before it. */
export function collectEnv(text: string, earlier: { key: string; value: string }[] | undefined): { key: string; value: string }[] {
  const [, key, value] = /^([A-Za-z_][A-Za-z0-9_]*)=([\s\S]*)$/.exec(text) ?? []
  if (key === undefined || value === undefined) throw new InvalidArgumentError('Give NAME=value.')
  return [...(earlier ?? []).filter((entry) => entry.key !== key), { key, value }]
}

/** Reads a duration: `30m`, `1h`, `7d`, or seconds. @returns The text, which the server understands too. */
export function parseDuration(text: string): string {
  if (!durationShape.test(text)) throw new InvalidArgumentError('Give a duration, such as 30m, 1h or 7d, or seconds.')
  return text
}

/** Reads a duration. @returns Seconds. */
export function parseSeconds(text: string): number {
  const [, amount, unit] = durationShape.exec(parseDuration(text)) ?? []
  return Number(amount) * { s: 1, m: 60, h: 3_600, d: 86_400 }[(unit ?? 's') as 's' | 'm' | 'h' | 'd']
}

/** Reads a duration, or a word for its absence. @returns null for the word. */
export function parseDurationOr(none: string): (text: string) => string | null {
  return (text) => (text === none ? null : parseDuration(text))
}

const durationShape = /^([1-9][0-9]{0,9})(s|m|h|d)?$/

/** Reads one `KEY=VALUE` and adds it to those before it; nothing behind the equals sign removes the key. */
export function collectMetadata(text: string, earlier: Record<string, string | null> | undefined): Record<string, string | null> {
  const [, key, value] = /^([^=]+)=([\s\S]*)$/.exec(text) ?? []
  if (key === undefined || value === undefined) throw new InvalidArgumentError('Give KEY=VALUE, or KEY= to remove the key.')
  return { ...earlier, [key]: value === '' ? null : value }
}
