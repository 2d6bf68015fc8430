/** Why a VM ended, from what QEMU said before and what the kernel says after. */
import { constants } from 'node:os'
import type { VmExit } from '../driver.ts'
import type { LauncherEnd } from './process.ts'

/** Reads QEMU's SHUTDOWN event. @see ShutdownCause in qemu qapi/run-state.json */
export function parseShutdown(data: Readonly<Record<string, unknown>>): VmExit {
  const reason = typeof data.reason === 'string' ? data.reason.slice(0, 64) : data.guest === true ? 'guest' : 'unknown'
  return { cause: (Object.hasOwn(causes, reason) && causes[reason]) || 'lost', detail: reason }
}

const causes: Readonly<Record<string, VmExit['cause']>> = {
  'guest-shutdown': 'poweroff',
  // With -no-reboot a reset ends the VM. A microvm without ACPI has no power button: its guests also power off this way.
  'guest-reset': 'reset',
  'subsystem-reset': 'reset',
  'guest-panic': 'reset',
  'host-qmp-quit': 'quit',
  'host-qmp-system-reset': 'quit',
  'host-signal': 'killed',
  'host-error': 'lost',
  'host-ui': 'quit',
}

/** Judges an end that QEMU did not announce. */
export function judgeSilentEnd({
  wasKilled,
  end,
  stderr,
}: {
  readonly wasKilled: boolean
  readonly end: LauncherEnd | undefined
  readonly stderr: string
}): VmExit {
  if (wasKilled) return { cause: 'killed', detail: 'killed on request' }
  const signal = end?.signal ?? signalOf(end?.exitCode ?? 0)
  if (signal) return { cause: 'killed', detail: `killed by ${signal}` }
  const how = end === undefined ? 'ended while no parent was watching' : `exit code ${end.exitCode}`
  return { cause: 'lost', detail: stderr === '' ? how : `${how}: ${stderr}` }
}

/** The launcher's shell exits with 128 and the number of the signal that ended QEMU. */
function signalOf(exitCode: number): string | undefined {
  return Object.entries(constants.signals).find(([, number]) => exitCode === 128 + number)?.[0]
}
