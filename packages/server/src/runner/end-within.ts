/** Whether what failed only failed because the VM is gone. */
import type { Clock } from '../lib/clock.ts'
import { within } from '../lib/within.ts'
import type { Vm, VmExit } from '../vmm/driver.ts'

/** Time in which the end of a VM is noticed after something that needs it has failed, ms. */
const noticeMs = 1_000

/** How the VM ended, if it has or its end is noticed in the next moment. */
export function endWithin(clock: Clock, vm: Pick<Vm, 'exited'>): Promise<VmExit | undefined> {
  return within(clock, vm.exited, noticeMs)
}
