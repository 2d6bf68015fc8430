/** The end of all processes of one VM: QEMU, its launcher and the log writers are one session. */
import type { Clock } from '../../lib/clock.ts'
import { type LiveProcess, listSession } from './proc.ts'
import { signalKill } from './process.ts'

/** Time for a killed VM to be gone with all its processes, ms. Longer means uninterruptible I/O. */
const goneMs = 15_000
/** Time in which launcher and log writers follow their QEMU by themselves, ms; they take 10 to 50. */
const followMs = 1000

/**
 * Waits until no process of a VM lives. What outlives its VMM for long, such as a launcher that was stopped, is killed. Whether all came to
 * an end in time. Only what began no later than the VMM is signalled: a session of the same number that came after it is not its own.
 */
export async function endSession(vmm: Pick<LiveProcess, 'session' | 'pid' | 'startTicks'>, clock: Clock): Promise<boolean> {
  const beganAt = clock.monotonic()
  for (let pauseMs = 2; ; pauseMs = Math.min(2 * pauseMs, 100)) {
    const left = await listSession(vmm.session)
    if (left.length === 0) return true
    const waitedMs = clock.monotonic() - beganAt
    if (waitedMs > goneMs) return false
    const isVmmGone = left.every(({ pid }) => pid !== vmm.pid)
    if (isVmmGone && waitedMs > followMs) for (const process of left) if (process.startTicks <= vmm.startTicks) await signalKill(process)
    await clock.sleep(pauseMs)
  }
}
