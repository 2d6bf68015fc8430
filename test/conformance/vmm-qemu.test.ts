/** The QEMU driver keeps what the suite promises, with guests of a few bytes. */
import { createVmmSite } from '../support/vmm.ts'
import { vmmConformance } from './vmm-suite.ts'

vmmConformance('qemu', async () => {
  const site = await createVmmSite()
  return {
    driver: () => site.driver(),
    spec: (options) => site.spec(options),
    wedge: ({ handle }) => process.kill(handle.pid, 'SIGSTOP'),
    crash: ({ handle }) => process.kill(handle.pid, 'SIGKILL'),
    [Symbol.asyncDispose]: () => site[Symbol.asyncDispose](),
  }
})
