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
