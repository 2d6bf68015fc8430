/** The fake driver keeps what the suite promises, so tests above it may trust it. */
import { join } from 'node:path'
import { systemClock } from '../../packages/server/src/lib/clock.ts'
import { plainStep } from '../../packages/server/src/lib/step.ts'
import { createFakeDriver } from '../../packages/server/src/vmm/fake/driver.ts'
import { createVmmSite } from '../support/vmm.ts'
import { vmmConformance } from './vmm-suite.ts'

vmmConformance('fake', async () => {
  const site = await createVmmSite()
  const driver = () => createFakeDriver({ installId: site.installId, stateDir: join(site.root, 'state'), step: plainStep, clock: systemClock })
  return {
    driver,
    spec: (options) => site.spec(options),
    wedge: ({ handle }) => driver().wedge(handle.bootId),
    crash: ({ handle }) => driver().end(handle.bootId, { cause: 'killed', detail: 'killed by SIGKILL', exitCode: null, signal: 'SIGKILL' }),
    [Symbol.asyncDispose]: () => site[Symbol.asyncDispose](),
  }
})
