/** The local runner over the fake VMM, fake agents and a network in memory. */
import { createRunnerSite } from '../support/runner-site.ts'
import { runnerConformance } from './runner-suite.ts'

runnerConformance('local', async () => {
  const site = await createRunnerSite()
  return {
    runner: () => site.runner(),
    spec: (more) => site.spec(more),
    crash: ({ bootId }) => site.crash(bootId),
    [Symbol.asyncDispose]: () => site[Symbol.asyncDispose](),
  }
})
