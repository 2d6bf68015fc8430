/** Every step of boot, shutdown and destroy × {error, twice, death before it, death after it}: the list of steps is recorded, not typed. */
import assert from 'node:assert/strict'
import { AsyncLocalStorage } from 'node:async_hooks'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import test from 'node:test'
import { systemClock } from '../../packages/server/src/lib/clock.ts'
import { failpointStep, plainStep, type Step } from '../../packages/server/src/lib/step.ts'
import { workspacePaths } from '../../packages/server/src/runner/paths.ts'
import type { BootSpec, Runner, VmEnd } from '../../packages/server/src/runner/runner.ts'
import { createRunnerSite, type RunnerSite } from '../support/runner-site.ts'
import { eventually } from '../support/vmm.ts'

const never = new AbortController().signal

/** An operation, and whether a VM runs before and after it. */
const operations = {
  boot: { isUp: false, run: (runner: Runner, spec: BootSpec) => runner.boot(spec, never) },
  shutdown: { isUp: true, run: (runner: Runner, spec: BootSpec) => runner.shutdown(spec, 1000) },
  destroy: { isUp: true, run: (runner: Runner, spec: BootSpec) => runner.destroy(spec) },
} as const

/** A site with a VM where the operation needs one, and a runner that took it up with the given steps. */
async function setUp(isUp: boolean, step: Step) {
  const site = await createRunnerSite()
  const spec = site.spec()
  const first = site.runner()
  if (isUp) await first.boot(spec, never)
  first.close()
  const runner = site.runner(step)
  if (isUp) assert.equal((await runner.adopt([spec]))[0]?.state, 'held')
  return { site, spec, runner }
}

/** What the next daemon does, and what must be true then: the workspace boots again, and a delete leaves nothing. */
async function recovers(site: RunnerSite, spec: BootSpec): Promise<void> {
  const next = site.runner()
  await next.shutdown(spec, 0)
  assert.deepEqual(await site.census(false), [], 'after the shutdown of the next daemon')
  const again = { ...spec, bootId: site.spec().bootId }
  await next.boot(again, never)
  assert.deepEqual(await next.processes().then((all) => all.map(({ bootId }) => bootId)), [again.bootId])
  await next.destroy(spec)
  assert.deepEqual(await site.census(true), [])
}

/**
 * Steps of a runner that dies at `name`: no step begins or comes to an end after that. `died` waits for the effects that were under way
 * at that moment, which a real death would have cut off: they must not be taken for those of the next daemon.
 */
function dyingStep(name: string, moment: 'before' | 'after'): { step: Step; died: Promise<void> } {
  const died = Promise.withResolvers<void>()
  const within = new AsyncLocalStorage<{ isParent: boolean }>()
  const effects = new Map<{ isParent: boolean }, Promise<unknown>>()
  let isDead = false
  const die = () => {
    isDead = true
    const leaves = [...effects].filter(([at]) => !at.isParent).map(([, effect]) => effect)
    void Promise.allSettled(leaves).then(() => died.resolve())
    return new Promise<never>(() => {})
  }
  const step: Step = async (at, fn) => {
    const parent = within.getStore()
    if (parent) parent.isParent = true
    if (isDead) return new Promise<never>(() => {})
    if (at === name && moment === 'before') return die()
    const self = { isParent: false }
    const effect = within.run(self, fn)
    effects.set(self, effect)
    const result = await effect.finally(() => effects.delete(self))
    if (isDead) return new Promise<never>(() => {})
    return at === name ? die() : result
  }
  return { step, died: died.promise }
}

async function record({ isUp, run }: (typeof operations)[keyof typeof operations]): Promise<string[]> {
  const names = new Set<string>()
  const { site, spec, runner } = await setUp(isUp, (name, fn) => {
    names.add(name)
    return fn()
  })
  await using _site = site
  await run(runner, spec)
  await runner.destroy(spec)
  return [...names]
}

for (const [name, operation] of Object.entries(operations)) {
  const { isUp, run } = operation
  test(`${name}: an error in any step is reported, and what is left can be cleared away`, { timeout: 120_000 }, async (t) => {
    for (const at of await record(operation)) {
      await t.test(at, async () => {
        const { site, spec, runner } = await setUp(isUp, failpointStep(new Map([[at, 'error']])))
        await using _site = site
        const failure = await Promise.resolve(run(runner, spec)).then(
          () => undefined,
          (error) => error,
        )
        // A boot undoes itself; only an error in the undoing itself leaves something.
        const isOfBoot = at.startsWith('boot.') || ['network.tap.move', 'network.rules.open', 'vmm.spawn', 'disk.create'].includes(at)
        if (name === 'boot' && isOfBoot) {
          assert.ok(failure instanceof Error)
          assert.deepEqual(await site.census(false), [], 'right after the failed boot')
        }
        runner.close()
        await recovers(site, spec)
      })
    }
  })

  test(`${name}: any step may run twice`, { timeout: 120_000 }, async (t) => {
    for (const at of await record(operation)) {
      await t.test(at, async () => {
        const { site, spec, runner } = await setUp(isUp, failpointStep(new Map([[at, 'twice']])))
        await using _site = site
        await run(runner, spec)
        assert.equal((await runner.processes()).length, name === 'boot' ? 1 : 0)
        runner.close()
        await recovers(site, spec)
      })
    }
  })

  for (const moment of ['before', 'after'] as const) {
    test(`${name}: death ${moment} any step leaves nothing that the next daemon cannot clear away`, { timeout: 120_000 }, async (t) => {
      for (const at of await record(operation)) {
        await t.test(at, async () => {
          const { step, died } = dyingStep(at, moment)
          const { site, spec, runner } = await setUp(isUp, step)
          await using _site = site
          const done = run(runner, spec)
          done.catch(() => {})
          await Promise.race([died, done])
          runner.close()
          await recovers(site, spec)
        })
      }
    })
  }
}

test('an aborted boot leaves nothing, at whatever step', { timeout: 120_000 }, async (t) => {
  for (const at of (await record(operations.boot)).filter((name) => name.startsWith('boot.'))) {
    await t.test(at, async () => {
      const controller = new AbortController()
      const reason = new Error('given up')
      const { site, spec, runner } = await setUp(false, async (name, fn) => {
        if (name === at) controller.abort(reason)
        return fn()
      })
      await using _site = site
      await assert.rejects(runner.boot(spec, controller.signal), reason)
      assert.deepEqual(await site.census(false), [])
    })
  }
})

test('a VM whose record and its copy are both lost is neither taken up nor called gone, and can be ended', async () => {
  const { site, spec, runner } = await setUp(true, plainStep)
  await using _site = site
  runner.close()
  const paths = workspacePaths(site.dataDir, spec.workspaceId)
  await writeFile(paths.record, '{"version":9')
  await writeFile(join(paths.run(spec.bootId), 'spec.json'), '')
  const next = site.runner()
  assert.equal((await next.adopt([spec]))[0]?.state, 'unknown')
  assert.equal((await next.processes()).length, 1)
  await next.destroy({ ...spec, slot: null })
  assert.deepEqual(await site.census(true), [])
})

test('an update of the rules outlives their verification', async () => {
  const { site, spec, runner } = await setUp(true, plainStep)
  await using _site = site
  await runner.updateNetwork({ ...spec, allowInternet: false })
  await runner.verifyNetwork([])
  assert.equal(site.kernel.rules.get(spec.slot)?.allowInternet, false)
  const next = site.runner()
  await next.adopt([spec])
  await next.verifyNetwork([{ ...spec, allowInternet: false }])
  assert.equal(site.kernel.rules.get(spec.slot)?.allowInternet, false)
  await next.destroy(spec)
  await next.verifyNetwork([{ ...spec, allowInternet: false }])
  assert.deepEqual(await site.census(true), [], 'no rules for a VM that was ended')
})

test('a guest that cannot be initialised is ended, and the end says why', async () => {
  await using site = await createRunnerSite()
  site.agentKnobs.configureFails = 'the disk is not ours'
  const runner = site.runner()
  const ends: VmEnd[] = []
  runner.onExit((_vm, end) => ends.push(end))
  const spec = site.spec({ waitForInit: false })
  await runner.boot(spec, never)
  await eventually('the end is told', async () => ends.length > 0)
  assert.equal(ends[0]?.failure, 'init_failed')
  assert.match(ends[0]?.reason ?? '', /the disk is not ours/)
  await runner.destroy(spec)
  assert.deepEqual(await site.census(true), [])
})

test('a guest that never answers ends as a failed start, on a deadline, with nothing left', async () => {
  await using site = await createRunnerSite()
  site.agentKnobs.silent = true
  const runner = site.runner(plainStep, { bootTimeoutMs: 300 })
  const spec = site.spec()
  await assert.rejects(runner.boot(spec, never), { code: 'START_FAILED', message: /did not come up within/ })
  assert.deepEqual(await site.census(false), [])
})

test('a host without memory starts no VM and says so', async () => {
  await using site = await createRunnerSite()
  const runner = site.runner(plainStep, { availableMemoryMib: async () => 100 })
  await assert.rejects(runner.boot(site.spec(), never), { code: 'VM_UNAVAILABLE', message: /100 MiB/ })
  assert.deepEqual(await site.census(false), [])
})

test('a boot waits for the network, also where its first set-up failed', async () => {
  await using site = await createRunnerSite()
  let failures = 1
  const runner = site.runner((name, fn) => (name === 'network.ensure' && failures-- > 0 ? Promise.reject(new Error('no')) : fn()))
  await assert.rejects(runner.prepare())
  const spec = site.spec()
  await runner.boot(spec, never)
  await runner.destroy(spec)
  await systemClock.sleep(0)
  assert.deepEqual(await site.census(true), [])
})
