/** A daemon of the next boot of the host, for a test that shows it another host boot id: what it makes of the handle it is given, as JSON. */
import { systemClock } from '../../packages/server/src/lib/clock.ts'
import { createLogger } from '../../packages/server/src/lib/log.ts'
import { plainStep } from '../../packages/server/src/lib/step.ts'
import type { VmHandle } from '../../packages/server/src/vmm/driver.ts'
import { createQemuDriver } from '../../packages/server/src/vmm/qemu/driver.ts'

const handle = JSON.parse(process.argv[2] ?? '') as VmHandle
const driver = createQemuDriver({ installId: handle.installId, step: plainStep, clock: systemClock, log: createLogger('silent'), kvm: 'off' })
const vm = await driver.attach(handle)
const exit = await driver.exitOf(handle)
process.stdout.write(JSON.stringify({ isAttached: vm !== undefined, cause: exit.cause }))
process.exit(0)
