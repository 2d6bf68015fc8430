/** Waits until a server answers `GET /health`: `node script/lib/wait-for-health.ts URL SECONDS [PID]`. Exit code 1: it did not, or the process has ended. */
import { existsSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'

const [url = '', seconds = '', pid] = process.argv.slice(2)
const deadline = performance.now() + Number(seconds) * 1000

async function isHealthy(): Promise<boolean> {
  try {
    return (await fetch(new URL('/health', url), { signal: AbortSignal.timeout(2000) })).ok
  } catch {
    // Not there yet: the loop decides when that is final.
    return false
  }
}

let healthy = await isHealthy()
while (!healthy && performance.now() < deadline && (pid === undefined || existsSync(`/proc/${pid}`))) {
  await wait(100)
  healthy = await isHealthy()
}
process.exit(healthy ? 0 : 1)
