/**
 * A guest of tests that has no agent: a kernel of a few bytes stands in the VM, and this answers in the agent's place as a configured
 * guest would. Process, disk, network and limits of such a VM are real; only what happens inside is not. `config.ts` lets tests have it.
 */
import { basename, dirname } from 'node:path'
import { systemClock } from '../lib/clock.ts'
import { GuestGoneError } from './channel.ts'
import type { ConnectGuest, GuestInfo } from './guest.ts'

/** Connects to nothing and is connected at once. A shutdown is refused, so that the VM is ended by force. */
export const connectStubGuest: ConnectGuest = async (socketPath, { signal }) => {
  signal.throwIfAborted()
  const connectedAt = systemClock.monotonic()
  let isClosed = false
  const uptimeSeconds = () => (systemClock.monotonic() - connectedAt) / 1000
  const answer = async <T>(value: () => T, given: AbortSignal | undefined): Promise<T> => {
    given?.throwIfAborted()
    if (isClosed) throw new GuestGoneError('the connection to the stub guest was closed by this side')
    return value()
  }
  // A run directory is named after its boot.
  const info = (): GuestInfo => ({ ...plainInfo, bootId: basename(dirname(socketPath)), uptimeSeconds: uptimeSeconds() })
  return {
    info: (given) => answer(info, given),
    configure: (_configuration, given) => answer(info, given),
    stats: (given) => answer(() => ({ ...plainStats, uptimeSeconds: uptimeSeconds() }), given),
    setTime: (_timeMs, given) => answer(() => {}, given),
    shutdown: (_graceMs, given) =>
      answer(() => {
        throw new Error('a stub guest cannot shut down')
      }, given),
    close() {
      isClosed = true
    },
  }
}

const plainInfo: Omit<GuestInfo, 'bootId' | 'uptimeSeconds'> = {
  ...{ kernelRelease: 'stub', kernelVersion: 'stub', machine: 'x86_64', hostname: 'stub', agentVersion: 'stub' },
  ...{ cpus: 1, memoryTotalBytes: 0, phase: 'ready', message: '', start: { state: 'none', pid: 0, exitCode: null, message: '' } },
}

const plainStats = { cpuBusyMs: 0, cpuTotalMs: 0, memoryTotalBytes: 0, memoryUsedBytes: 0, diskTotalBytes: 0, diskUsedBytes: 0 }
