/** What the end of a VM means, from what the VMM saw and what the guest's console said last. */
import type { VmExit } from '../vmm/driver.ts'
import type { VmEnd } from './runner.ts'

/** Judges an end nobody asked for. `console` is the end of the console log: text of the guest, believed about that guest only. */
export function judgeEnd(exit: VmExit, console: string, initFailure: string | undefined): VmEnd {
  if (initFailure !== undefined) return { reason: initFailure, failure: 'init_failed' }
  if (exit.cause === 'killed' || exit.cause === 'lost') return { reason: `The virtual machine ended unexpectedly: ${exit.detail}`, failure: 'vm_exited' }
  const panic = exit.cause === 'reset' ? findPanic(console) : undefined
  if (panic !== undefined) return { reason: `The guest kernel panicked: ${panic}`, failure: 'guest_panic' }
  return { reason: 'The guest powered off or rebooted.', failure: null }
}

/**
 * The guest's power-off, reboot and panic all reach the VMM as a reset: without ACPI there is no power button. The kernel prints a line
 * in either case, also under `quiet`; the last one tells, since the log may go back to earlier boots.
 * @see kernel/panic.c and kernel/reboot.c of Linux
 */
function findPanic(console: string): string | undefined {
  const lines = console.split('\n')
  const panicAt = lines.findLastIndex((line) => line.includes('Kernel panic - '))
  const orderlyAt = lines.findLastIndex((line) => /reboot: (Restarting system|Power down|System halted)/.test(line))
  if (panicAt === -1 || panicAt < orderlyAt) return undefined
  return lines[panicAt]
    ?.replace(/^.*Kernel panic - /, '')
    .trim()
    .slice(0, 500)
}
