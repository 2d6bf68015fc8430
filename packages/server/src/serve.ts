/** The daemon: lock, compose, listen, recover, go on until a signal. */

import { composeServer, composeStore, type Server, version } from './compose.ts'
import type { Config } from './config.ts'
import { ensureDataDir } from './config.ts'
import { ensureCredentialsFile } from './credentials-file.ts'
import { takeDaemonLock } from './daemon-lock.ts'
import type { Clock } from './lib/clock.ts'
import { messageOf } from './lib/fail.ts'
import type { Logger } from './lib/log.ts'
import { listen } from './listen.ts'

/** Time between two passes of the reconciler, ms. */
const passMs = 30_000

/** Serves until SIGTERM or SIGINT. The VMs go on: ending the daemon does nothing to them. */
export async function serve(config: Config, clock: Clock, log: Logger): Promise<void> {
  await ensureDataDir(config.dataDir)
  await takeDaemonLock(config.dataDir, clock)
  const store = await composeStore(config, clock, log)
  const server = await composeServer(config, store, clock, log)
  const addresses = await listen(server.api, config.listen, clock)
  const url = urlOf(addresses[0])
  const credentials = await ensureCredentialsFile({ dataDir: config.dataDir, url, defaultPlan: config.defaultPlan, store, clock })
  log.info({ version, install: server.host.installId, listen: addresses, dataDir: config.dataDir, credentials }, 'serving')
  const stopPasses = operate(server, clock, log)

  const signal = await new Promise<NodeJS.Signals>((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, resolve)
  })
  log.info({ signal }, 'ending; virtual machines go on')
  stopPasses()
  server.host.runner.close()
  process.exit(0)
}

/** Brings the network up, recovers, then passes periodically; nobody who asks waits for it. Returns how to stop. */
function operate({ host, reconciler }: Server, clock: Clock, log: Logger): () => void {
  const begun = begin({ host, reconciler }, log)
  let isPassing = false
  return clock.every(passMs, async () => {
    if (isPassing) return
    isPassing = true
    try {
      await begun
      await reconciler.pass()
    } catch (error) {
      log.error({ err: error }, 'a pass failed; the next one tries again')
    } finally {
      isPassing = false
    }
  })
}

async function begin({ host, reconciler }: Pick<Server, 'host' | 'reconciler'>, log: Logger): Promise<void> {
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
