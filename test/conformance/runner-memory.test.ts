/** The runner of the control plane's tests keeps what the suite promises, so those tests may trust it. */
import { newId } from '../../packages/server/src/lib/ids.ts'
import { MemoryHost } from '../support/memory-runner.ts'
import { runnerConformance } from './runner-suite.ts'

runnerConformance('memory', async () => {
  const host = new MemoryHost()
  let slot = 0
  return {
    runner: () => host.runner(),
    spec: (more) => ({
      ...{ workspaceId: newId('ws'), bootId: newId('boot'), cpus: 1, memoryMib: 128, diskMib: 512, imageDigest: `sha256:${'0'.repeat(64)}` },
      ...{ slot: ++slot, hostname: 'test', allowInternet: true, cmd: null, env: [], waitForInit: true, keepLogs: true },
      ...more,
    }),
    crash: ({ workspaceId }) => host.crash(workspaceId),
    [Symbol.asyncDispose]: async () => {},
  }
})
