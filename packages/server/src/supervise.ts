/**
 * The watchdog outside the daemon: runs it as a child and starts it again when it ends by itself, or kills it first when its event loop
 * stands still. Neither depends on the other: without its supervisor the daemon goes on, and virtual machines belong to neither.
 */
import { exitCodes } from './exit-codes.ts'
import type { Clock } from './lib/clock.ts'
import type { Logger } from './lib/log.ts'
import { type ChildEnd, startChild } from './lib/subprocess.ts'

/** Pause before the first restart and the longest one, ms; it doubles in between. */
const pauses = { first: 100, longest: 10_000 }
/** Life after which the next pause is the first one again, ms. */
const stableMs = 30_000
/** Time between two signs of life of the daemon, and between two looks at them, ms. */
const signMs = 1000
/** Silence after which a daemon that served counts as stalled, ms. */
const stallMs = 10_000
/** Silence that a daemon may take until it serves: a database is checked and brought up to date before, ms. */
const startMs = 300_000
/** What a daemon has to end when it is asked to; it tidies nothing up that a kill would lose, ms. */
const graceMs = 5_000

const passedOn = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const

/**
 * Runs `argv` until it ends in order, cannot be mended by a restart, or a signal asks this process to end; that is passed on.
 * Returns the exit code to end with.
 */
export async function supervise(argv: readonly [string, ...string[]], clock: Clock, log: Logger): Promise<number> {
  const asked = new AbortController()
  for (const name of passedOn) process.on(name, () => asked.abort(name))
  let pauseMs = pauses.first
  for (;;) {
    const startedAt = clock.monotonic()
    const end = await liveOnce(argv, asked.signal, clock, log)
    if (asked.signal.aborted) return end.exitCode ?? (end.signal === asked.signal.reason ? 0 : exitCodes.failed)
    if (isFinal(end.exitCode)) return end.exitCode
    if (clock.monotonic() - startedAt >= stableMs) pauseMs = pauses.first
    log.error({ ...end, restartInMs: pauseMs }, 'the daemon has ended by itself; it is started again')
    await clock.sleep(pauseMs, asked.signal).catch(() => {})
    if (asked.signal.aborted) return 0
    pauseMs = Math.min(pauseMs * 2, pauses.longest)
  }
}

/** An end that was asked for, or that another start would only repeat. */
function isFinal(exitCode: number | null): exitCode is number {
  return exitCode === 0 || exitCode === exitCodes.usage || exitCode === exitCodes.locked
}

/** One life of the daemon; resolves when its process is gone. */
async function liveOnce(argv: readonly [string, ...string[]], asked: AbortSignal, clock: Clock, log: Logger): Promise<ChildEnd> {
  const child = startChild(argv, () => watch.sign())
  const watch = watchSigns(clock, (silentMs) => {
    log.error({ pid: child.pid, silentMs }, 'the daemon gives no sign of life; it is killed')
    child.kill('SIGKILL')
  })
  const gone = new AbortController()
  const onAsked = () => {
    child.kill(asked.reason)
    clock.sleep(graceMs, gone.signal).then(
      () => child.kill('SIGKILL'),
      () => {},
    )
  }
  asked.addEventListener('abort', onAsked)
  log.info({ pid: child.pid }, 'the daemon was started')
  try {
    return await child.ended
  } finally {
    asked.removeEventListener('abort', onAsked)
    gone.abort()
    watch.stop()
  }
}

/**
 * Calls `onStall` once when no sign came for too long. Silence is counted by our own ticks: where this process stood still as well, as when
 * the host sleeps or the whole group is stopped, one late tick counts for little more than one in time.
 */
export function watchSigns(clock: Pick<Clock, 'monotonic' | 'every'>, onStall: (silentMs: number) => void): { sign(): void; stop(): void } {
  let silentMs = 0
  let limitMs = startMs
  let lastTick = clock.monotonic()
  const stop = clock.every(signMs, () => {
    const now = clock.monotonic()
    silentMs += Math.min(now - lastTick, signMs * 1.5)
    lastTick = now
    if (silentMs < limitMs) return
    stop()
    onStall(Math.round(silentMs))
  })
  return {
    sign() {
      silentMs = 0
      limitMs = stallMs
    },
    stop,
  }
}

/** Tells the supervisor, where there is one, that the event loop turns. Its end ends nothing here. */
export function giveSigns(clock: Clock): void {
  let isUnderWay = false
  const give = () => {
    // One at a time: nothing piles up before a supervisor that stands still.
    if (isUnderWay || !process.send || !process.connected) return
    isUnderWay = true
    process.send('alive', undefined, undefined, () => {
      isUnderWay = false
    })
  }
  // The first one at once: from now on silence is a stall.
  give()
  clock.every(signMs, give)
}
