/** Durations on the wire: `30m`, `1h`, `24h`, `7d`, or digits for seconds. */

const unitSeconds = { '': 1, s: 1, m: 60, h: 3_600, d: 86_400 } as const

/** Seconds of a duration that matches `durationPattern`, or of a number. @throws RangeError for any other text */
export function durationSeconds(duration: string | number): number {
  const parts = /^([0-9]{1,10})(s|m|h|d)?$/.exec(String(duration))
  if (!parts) throw new RangeError(`not a duration: ${String(duration).slice(0, 32)}`)
  return Number(parts[1]) * unitSeconds[(parts[2] ?? '') as keyof typeof unitSeconds]
}
