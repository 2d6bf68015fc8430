/** A daemon for tests to kill: launches the spec it is given as JSON, prints the handle, then waits for ever. */
import { systemClock } from '../../packages/server/src/lib/clock.ts'
import { createLogger } from '../../packages/server/src/lib/log.ts'
import { plainStep } from '../../packages/server/src/lib/step.ts'
import type { LaunchSpec } from '../../packages/server/src/vmm/driver.ts'
import { createQemuDriver } from '../../packages/server/src/vmm/qemu/driver.ts'

const spec = JSON.parse(process.argv[2] ?? '') as LaunchSpec
const driver = createQemuDriver({ installId: spec.installId, step: plainStep, clock: systemClock, log: createLogger('silent'), kvm: 'off' })
const vm = await driver.launch(spec, new AbortController().signal)
await vm.resume()
process.stdout.write(`${JSON.stringify(vm.handle)}\n`)
await systemClock.sleep(3_600_000)
