/** The daemon: lock, compose, listen, recover, go on until a signal. */

import { composeServer, composeStore, type Server } from './compose.ts'
import type { Config } from './config.ts'
import { ensureDataDir, refuseLostData } from './config.ts'
import { ensureCredentialsFile } from './credentials-file.ts'
import { takeDaemonLock } from './daemon-lock.ts'
import type { Clock } from './lib/clock.ts'
import { keepCompiled } from './lib/compile-cache.ts'
import { endOnUncaught } from './lib/end-process.ts'
import { messageOf } from './lib/fail.ts'
import { sweepCutOff } from './lib/files.ts'
import type { Logger } from './lib/log.ts'
import { listen } from './listen.ts'
import { giveSigns } from './supervise.ts'
import { installTestFaults } from './test-faults.ts'
import { version } from './version.ts'

/** Time between two passes of the reconciler, ms. */
const passMs = 30_000
/** Time between two looks at what is due, ms. */
const sweepMs = 500
/** Time between two looks at how the virtual machines are doing, ms: one that hangs is told within 15 s. */
const watchMs = 4_000

/** Serves until SIGTERM or SIGINT. The VMs go on: ending the daemon does nothing to them. */
export async function serve(config: Config, clock: Clock, log: Logger): Promise<void> {
  endOnUncaught(log)
  await refuseLostData(config.dataDir, config.database)
  await ensureDataDir(config.dataDir)
  await takeDaemonLock(config.dataDir, clock)
  const store = await composeStore(config, clock, log)
  const server = await composeServer(config, store, clock, log)
  const addresses = await listen(server.api, config.listen, clock)
  const url = urlOf(addresses[0])
  const credentials = await ensureCredentialsFile({ dataDir: config.dataDir, url, defaultPlan: config.defaultPlan, store, clock })
  log.info({ version, install: server.host.installId, listen: addresses, dataDir: config.dataDir, credentials }, 'serving')
  giveSigns(clock)
  keepCompiled()
  if (config.testFaults) installTestFaults()
  const stopPasses = operate(server, config.dataDir, clock, log)

  const signal = await new Promise<NodeJS.Signals>((resolve) => {
    // A terminal tells the whole group, and a supervisor passes it on: the second one is no reason to end differently.
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, resolve)
  })
  log.info({ signal }, 'ending; virtual machines go on')
  stopPasses()
  server.host.runner.close()
  process.exit(0)
}

/** Brings the network up, recovers, then passes, looks what is due and how VMs are doing; nobody who asks waits for it. Returns how to stop. */
function operate(server: Server, dataDir: string, clock: Clock, log: Logger): () => void {
  const { reconciler, timers } = server
  const begun = begin(server, dataDir, log)
  const again = (ms: number, what: string, act: () => Promise<void>) =>
    every(
      clock,
      ms,
      () => begun.then(act),
      (error) => log.error({ err: error }, `${what} failed; the next one tries again`),
    )
  const stops = [
    again(passMs, 'a pass', reconciler.pass),
    again(watchMs, 'a look at the virtual machines', reconciler.watch),
    again(sweepMs, 'a look at what is due', timers.sweep),
  ]
  return () => {
    for (const stop of stops) stop()
  }
}

/** Does something again and again, one at a time. */
function every(clock: Clock, ms: number, act: () => Promise<void>, onError: (error: unknown) => void): () => void {
  let isActing = false
  return clock.every(ms, async () => {
    if (isActing) return
    isActing = true
    try {
      await act()
    } catch (error) {
      onError(error)
    } finally {
      isActing = false
    }
  })
}

async function begin({ host, reconciler }: Pick<Server, 'host' | 'reconciler'>, dataDir: string, log: Logger): Promise<void> {
  // The lock is held: whoever wrote these is dead.
  await sweepCutOff(dataDir, 2).catch((error) => log.warn({ reason: messageOf(error) }, 'what cut-off writes left could not be removed'))
  try {
    await host.runner.prepare()
  } catch (error) {
    log.error({ reason: messageOf(error) }, 'the network of the virtual machines could not be set up; it is tried again')
  }
  try {
    await reconciler.recover()
    const { accel, accelReason, vmmVersion } = await host.runner.host()
    log.info({ accel, accelReason, vmmVersion }, 'ready for virtual machines')
  } catch (error) {
    log.error({ err: error }, 'recovery failed; the next pass tries again')
  }
}

/** The address as a client on this host uses it. */
function urlOf(address = ''): string {
  return address.replace('//0.0.0.0:', '//127.0.0.1:').replace('//[::]:', '//[::1]:')
}
