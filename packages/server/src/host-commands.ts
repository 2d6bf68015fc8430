/** Commands that work on the host without the daemon. */
import { composeHost, composeStore } from './compose.ts'
import { type Config, ensureDataDir } from './config.ts'
import { takeDaemonLock } from './daemon-lock.ts'
import { systemClock } from './lib/clock.ts'
import { fail } from './lib/fail.ts'
import { createLogger } from './lib/log.ts'
import { type Credentials, createKey } from './tenancy/api-keys.ts'
import { createPlans } from './tenancy/plans.ts'

const log = () => createLogger('warn')

/** Makes an API key. @throws validation_error */
export async function createKeyCommand(config: Config, { account, plan }: { account: string; plan: string | undefined }): Promise<Credentials> {
  const plans = createPlans({ host: { cpus: 1, memoryMib: 1, diskMib: 1 }, configured: config.plans })
  if (plan !== undefined && !plans.has(plan)) {
    fail('validation_error', {
      message: `There is no plan ${JSON.stringify(plan)}; there are ${plans.names.join(', ')}.`,
      details: { field: 'plan', allowed: plans.names },
    })
  }
  await ensureDataDir(config.dataDir)
  const store = await composeStore(config, systemClock, log())
  try {
    return await createKey({ store, clock: systemClock }, { account, plan, defaultPlan: config.defaultPlan })
  } finally {
    await store.close()
  }
}

/** Removes the network of an installation from the host. Refuses while the daemon or any VM runs. @throws conflict */
export async function cleanHost(config: Config): Promise<void> {
  const release = await takeDaemonLock(config.dataDir, systemClock)
  const store = await composeStore(config, systemClock, log())
  try {
    const host = await composeHost(config, store, systemClock, log())
    const running = await host.runner.processes()
    if (running.length > 0)
      fail('conflict', { message: `Virtual machines run: ${running.map((vm) => vm.workspaceId).join(', ')}. Stop them first: script/down --all.` })
    await host.network.destroy()
  } finally {
    await store.close()
    release()
  }
}
