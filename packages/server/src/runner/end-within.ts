/** Whether what failed only failed because the VM is gone. */
import type { Clock } from '../lib/clock.ts'
import type { Vm, VmExit } from '../vmm/driver.ts'

/** Time in which the end of a VM is noticed after something that needs it has failed, ms. */
const noticeMs = 1_000

/** How the VM ended, if it has or its end is noticed in the next moment. */
export async function endWithin(clock: Clock, vm: Pick<Vm, 'exited'>): Promise<VmExit | undefined> {
  const noticed = new AbortController()
  const late = clock.sleep(noticeMs, noticed.signal).then(
    () => undefined,
    () => undefined,
  )
  try {
    return await Promise.race([vm.exited, late])
  } finally {
    noticed.abort()
  }
}
