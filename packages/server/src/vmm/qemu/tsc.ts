/**
 * The frequency of the host's time stamp counter. Under TCG a guest sees the host's counter, but its kernel must find out the frequency
 * from an emulated timer; on a busy host that fails, the guest counts ticks instead, loses some, and its clock runs slow (measured:
 * 7 % at a load of ten). So it is told, where the host knows.
 */
import { findFile } from '../../lib/files.ts'

/** Frequency of the counter, kHz; `undefined` where the host does not tell it, and the guest must measure. */
export async function readTscKhz(): Promise<number | undefined> {
  return parseTscKhz((await findFile('/proc/cpuinfo')) ?? '')
}

/** Reads `/proc/cpuinfo`: without frequency scaling, `cpu MHz` of every CPU is the frequency of a counter that runs at a constant rate. */
export function parseTscKhz(cpuinfo: string): number | undefined {
  const cpus = cpuinfo.split('\n\n').filter((text) => text.includes('processor'))
  const frequencies = new Set(cpus.map((text) => /^cpu MHz\s*: (\d+\.\d{3})$/m.exec(text)?.[1]))
  const [only] = frequencies
  // A frequency that scales differs between CPUs sooner or later; the hypervisor bit says that it does not scale here at all.
  const isConstant = cpus.every((text) => /^flags\s*:.*\bconstant_tsc\b/m.test(text) && /^flags\s*:.*\bhypervisor\b/m.test(text))
  return frequencies.size === 1 && only !== undefined && isConstant ? Math.round(Number(only) * 1000) : undefined
}
