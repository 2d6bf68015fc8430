/** What the end of a VM means, from what the VMM saw and what the guest's console said last. */
import type { VmExit } from '../vmm/driver.ts'
import type { VmEnd, VmEndCause } from './runner.ts'

/** Judges an end nobody asked for. `console` is the end of the console log: text of the guest, believed about that guest only. */
export function judgeEnd(exit: VmExit, console: string, initFailure: string | undefined): VmEnd {
  const { cause, reason } = initFailure === undefined ? causeOf(exit, console) : { cause: 'init_failed' as const, reason: initFailure }
  return { reason, cause, exitCode: exit.exitCode, signal: exit.signal, failure: failures[cause] }
}

const failures: Readonly<Record<VmEndCause, VmEnd['failure']>> = {
  guest_poweroff: null,
  guest_reboot: null,
  guest_panic: 'guest_panic',
  vmm_killed: 'vm_exited',
  vmm_crashed: 'vm_exited',
  oom: 'vm_oom',
  init_failed: 'init_failed',
  host_reboot: 'host_reboot',
  lost: 'vm_exited',
}

interface Judgement {
  readonly cause: VmEndCause
  readonly reason: string
}

function causeOf({ cause, detail }: VmExit, console: string): Judgement {
  switch (cause) {
    case 'poweroff':
      return poweredOff
    case 'reset':
      return judgeConsole(console)
    case 'killed':
    case 'quit':
      return { cause: 'vmm_killed', reason: `The virtual machine was ended from outside: ${detail}` }
    case 'crashed':
      return { cause: 'vmm_crashed', reason: `The virtual machine crashed: ${detail}` }
    case 'oom':
      return { cause: 'oom', reason: `The host ended the virtual machine for want of memory: ${detail}` }
    case 'host_reboot':
      return { cause: 'host_reboot', reason: 'The host was restarted.' }
    case 'lost':
      return { cause: 'lost', reason: `The virtual machine ended unexpectedly: ${detail}` }
  }
}

const poweredOff: Judgement = { cause: 'guest_poweroff', reason: 'The guest powered off.' }
const rebooted: Judgement = { cause: 'guest_reboot', reason: 'The guest rebooted.' }

/** Lines that mean something, by what they say. The agent's own line comes before that of the kernel, which is always that of a restart. */
const marks = {
  up: /alcove: agent .* is up/,
  powerOff: /alcove: powering off|reboot: (Power down|System halted)/,
  restart: /reboot: Restarting system/,
  panic: /Kernel panic - /,
}

/**
 * The guest's power-off, reboot and panic all reach the VMM as a reset: without ACPI there is no power button. The kernel prints a line
 * in either case, also under `quiet`; the last one tells, since the log may go back to earlier boots. A guest that came up and reset
 * without one of them has crashed; of a log that holds none, nothing can be said.
 * @see kernel/panic.c and kernel/reboot.c of Linux
 */
function judgeConsole(console: string): Judgement {
  const found = console.split('\n').flatMap((line) => {
    const mark = Object.entries(marks).find(([, pattern]) => pattern.test(line))?.[0]
    return mark === undefined ? [] : [{ mark: mark as keyof typeof marks, line }]
  })
  const last = found.at(-1)
  switch (last?.mark) {
    case 'panic':
      return { cause: 'guest_panic', reason: `The guest kernel panicked: ${panicText(last.line)}` }
    case 'up':
      return { cause: 'guest_panic', reason: 'The guest reset itself without shutting down.' }
    case 'powerOff':
      return poweredOff
    default:
      return found.at(-2)?.mark === 'powerOff' ? poweredOff : rebooted
  }
}

function panicText(line: string): string {
  return line
    .replace(/^.*Kernel panic - /, '')
    .trim()
    .slice(0, 500)
}
