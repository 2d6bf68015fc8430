/** The commands in use, one typed function each. @see qemu qapi/run-state.json, qapi/misc.json */
import type { QmpClient } from './client.ts'
import { isRecord, QmpProtocolError } from './codec.ts'

/** Run state of the VM, such as `prelaunch`, `running`, `paused` or `io-error`. @see RunState in qapi/run-state.json */
export async function queryStatus(client: QmpClient): Promise<string> {
  const answer = await client.execute('query-status')
  if (!isRecord(answer) || typeof answer.status !== 'string' || answer.status.length > 64) throw new QmpProtocolError('query-status: no status')
  return answer.status
}

/** Lets the CPUs run. Harmless when they do. */
export async function cont(client: QmpClient): Promise<void> {
  await client.execute('cont', undefined, 5000)
}

/**
 * Stops the CPUs. QEMU answers when they stand and what they wrote is on its way. Only a running VM becomes `paused`: one in `io-error`
 * would stay so, and go on by itself later, so it is let run for a moment first; the write that failed waits for the next `cont`.
 */
export async function stop(client: QmpClient): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    await client.execute('stop', undefined, stopTimeoutMs)
    const status = await queryStatus(client)
    if (status === 'paused') return
    if (status !== 'io-error' || attempt === stopAttempts) throw new QmpProtocolError(`stop: the VM is ${status.slice(0, 40)}`)
    // Not awaited: `stop` is to follow before the failed write is tried and fails anew.
    cont(client).catch(() => {})
  }
}

/** Time for `stop`, ms: it waits for the writes that are under way. */
const stopTimeoutMs = 10_000
/** Most attempts to stop a VM whose host has no room. */
const stopAttempts = 5
