/** Following a log that can only be asked for its last lines. */
import { AlcoveError, ConnectionError, NotFoundError, TimeoutError } from '@alcove/sdk'
import { sleep } from './clock.ts'

/** What following needs. */
export interface FollowOptions {
  /** Gets the last `lines` lines. */
  readonly look: (lines: number) => Promise<string>
  /** Lines to begin with. */
  readonly tail: number
  /** Takes what is new. */
  readonly add: (piece: string) => void
  /** Takes a remark for the person who watches. */
  readonly warn: (message: string) => void
  readonly signal: AbortSignal
}

/** Lines asked for at each look: more than a program writes between two looks, as a rule. */
const windowLines = 1000
const pauseMs = 1000
const longestPauseMs = 10_000

/** Hands on what is added to a log until the workspace is gone. A server that is away for a while is waited for. @throws the signal's reason. */
export async function followLog({ look, tail, add, warn, signal }: FollowOptions): Promise<void> {
  const lines = Math.max(windowLines, tail)
  let seen = withoutHalves(await look(lines))
  add(lastLines(seen, tail))
  for (let failures = 0; ; ) {
    await sleep(Math.min(pauseMs * 2 ** failures, longestPauseMs), signal)
    try {
      const now = withoutHalves(await look(lines))
      add(newPart(seen, now))
      seen = now
      failures = 0
    } catch (error) {
      if (error instanceof NotFoundError) return warn('the workspace is gone')
      if (!mayPass(error)) throw error
      if (failures === 0) warn(`${(error as Error).message}; trying again`)
      failures++
    }
  }
}

/**
 * What `now` has beyond `seen`, both being ends of one log at two moments: the largest overlap of an end of `seen` with the
 * beginning of `now`, cut at line beginnings. Without any, the log was rotated, or more than a window was written: all of `now` is new.
 * A log that repeats itself for a whole window looks as if it stood still.
 */
export function newPart(seen: string, now: string): string {
  if (seen === '') return now
  const whole = afterOverlap(seen, now)
  if (whole !== undefined || now.length < cutFromChars) return whole ?? now
  return afterOverlap(seen, now.slice(now.indexOf('\n') + 1)) ?? now
}

/** An answer this long may be cut at its first line: the server looks at 1 MiB of a file, and a character takes up to 4 bytes. */
const cutFromChars = 262_144

function afterOverlap(seen: string, now: string): string | undefined {
  for (let from = 0; from < seen.length; ) {
    const kept = seen.slice(from)
    if (now.startsWith(kept)) return now.slice(kept.length)
    const lineEnd = seen.indexOf('\n', from)
    if (lineEnd === -1) break
    from = lineEnd + 1
  }
  return undefined
}

/** Takes away what the next look may show as something else: half of a line end, half of a character. */
function withoutHalves(text: string): string {
  return text.replace(/[\r\ufffd]+$/, '')
}

function lastLines(text: string, count: number): string {
  if (count === 0) return ''
  const body = text.endsWith('\n') ? text.slice(0, -1) : text
  return body.split('\n').slice(-count).join('\n') + text.slice(body.length)
}

function mayPass(error: unknown): boolean {
  return error instanceof ConnectionError || error instanceof TimeoutError || (error instanceof AlcoveError && [429, 502, 503].includes(error.status ?? 0))
}
