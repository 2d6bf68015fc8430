/** A wall clock for one daemon that can be set: libfaketime adds what a file says to its time; its monotonic clock and the host's stay. */
import { rename, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** A clock that can be set. */
export interface MovableClock {
  /** Words before the command of the daemon. */
  readonly wrap: readonly string[]
  /** What the daemon's wall clock is ahead of the host's now, ms. */
  readonly offsetMs: number
  /** Sets the clock by this much, ms; negative is back. */
  jump(byMs: number): Promise<void>
}

/** Where Debian and Ubuntu put it. */
const library = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1'

/** Makes a clock whose file is in a directory. @throws where libfaketime is not installed */
export async function createMovableClock(directory: string): Promise<MovableClock> {
  await stat(library).catch(() => Promise.reject(new Error(`${library} is missing: run script/bootstrap`)))
  const file = join(directory, 'clock')
  let offsetMs = 0
  const write = async () => {
    // A look at a file that is half written would set the clock to the present.
    await writeFile(`${file}.new`, `${offsetMs < 0 ? '-' : '+'}${Math.abs(offsetMs) / 1000}\n`)
    await rename(`${file}.new`, file)
  }
  await write()
  const settings = {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_NO_CACHE: '1',
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
    NO_FAKE_STAT: '1',
  }
  return {
    wrap: ['env', ...Object.entries(settings).map(([name, value]) => `${name}=${value}`)],
    get offsetMs() {
      return offsetMs
    },
    async jump(byMs) {
      offsetMs += byMs
      await write()
    },
  }
}
