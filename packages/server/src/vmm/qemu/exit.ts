/** Why a VM ended, from what QEMU said before and what the launcher and the kernel say after. */
import { constants } from 'node:os'
import type { VmExit } from '../driver.ts'

/** How the process of a VMM ended; both `null` where nobody saw it. */
export interface ProcessEnd {
  readonly exitCode: number | null
  readonly signal: string | null
}

/** The end of a process that nobody saw. */
export const unseenEnd: ProcessEnd = { exitCode: null, signal: null }

/** Reads QEMU's SHUTDOWN event. @see ShutdownCause in qemu qapi/run-state.json */
export function parseShutdown(data: Readonly<Record<string, unknown>>): Pick<VmExit, 'cause' | 'detail'> {
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
  'host-error': 'crashed',
  'host-ui': 'quit',
}

/** All that is known of an end. */
export interface Evidence {
  /** What QEMU announced, where somebody listened. */
  readonly announced?: Pick<VmExit, 'cause' | 'detail'> | undefined
  /** Whether it was killed on our request. */
  readonly wasKilled: boolean
  readonly end: ProcessEnd
  /** Processes of its cgroup that the kernel ended for want of memory. */
  readonly oomKills: number
  /** The last words of QEMU. */
  readonly stderr: string
}

/** Judges an end. */
export function judgeExit({ announced, wasKilled, end, oomKills, stderr }: Evidence): VmExit {
  const told = (cause: VmExit['cause'], detail: string, signal = end.signal): VmExit => ({ cause, detail, exitCode: end.exitCode, signal })
  const asked = politeSignal(stderr)
  if (announced && announced.cause !== 'lost') return told(announced.cause, announced.detail, end.signal ?? (announced.cause === 'killed' ? asked : null))
  if (wasKilled) return told('killed', 'killed on request')
  // The launcher may have gone the same way, and then nobody saw the signal.
  const isUnseen = end.signal === null && end.exitCode === null
  if (oomKills > 0 && (end.signal === 'SIGKILL' || isUnseen)) return told('oom', 'out of memory')
  if (end.signal !== null) return told(sentByPeople.has(end.signal) ? 'killed' : 'crashed', `killed by ${end.signal}`)
  if (isUnseen) return told('lost', withWords('nobody saw its end', stderr))
  if (end.exitCode !== 0) return told('crashed', withWords(`exit code ${end.exitCode}`, stderr))
  // QEMU ends with 0 when it was asked to by a signal, and says so, and when its guest reset.
  return asked ? told('killed', `killed by ${asked}`, asked) : told('reset', 'exit code 0')
}

const withWords = (how: string, words: string) => (words === '' ? how : `${how}: ${words}`)

/** Signals that no fault of the program itself raises. */
const sentByPeople = new Set(['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'])

/** The signal that QEMU says it ended on, as it does on those it can handle. */
function politeSignal(stderr: string): string | null {
  const number = /terminating on signal (\d{1,2})\b/.exec(stderr)?.[1]
  return number === undefined ? null : nameOf(Number(number))
}

/** Reads an exit code as a shell tells it: 128 and the number of the signal for a program that ended by one. */
export function parseShellCode(code: number): ProcessEnd {
  const signal = code > 128 ? nameOf(code - 128) : null
  return signal === null ? { exitCode: code, signal } : { exitCode: null, signal }
}

function nameOf(number: number): string | null {
  return Object.entries(constants.signals).find(([, value]) => value === number)?.[0] ?? null
}
