/** After a blow: the daemon comes back, the world comes to rest, and the oracle compares what is there with what was said. */

import { auditLines } from './audit.ts'
import { readIdentities } from './identity.ts'
import type { Load } from './load.ts'
import type { World } from './world.ts'

/** What one recovery took and broke. */
export interface Recovery {
  /** From the start of the process until it serves, ms. */
  readonly servesMs: number
  /** From the start of the process until the world rests, ms. */
  readonly restMs: number
  readonly workspaces: number
  /** All that is wrong, with what the auditor found; its lines begin with `auditor:`. */
  readonly violations: readonly string[]
  /** The auditor's own verdict, where it was asked. */
  readonly audit: 'clean' | readonly string[] | undefined
}

/** Starts the daemon, waits for rest and judges. The load must be held and idle. With `audit` the product's auditor is asked, too. */
export async function recover(world: World, { audit = false, isHopeless = false }: { audit?: boolean; isHopeless?: boolean } = {}): Promise<Recovery> {
  const servesMs = await world.start()
  const { ms, left } = await world.converge({ isHopeless })
  const judged = await judge(world)
  const findings = audit ? auditLines(await world.audit()) : undefined
  return {
    ...{ servesMs, restMs: servesMs + ms, workspaces: judged.workspaces },
    audit: findings,
    violations: [...left, ...judged.violations, ...(findings === undefined || findings === 'clean' ? [] : findings.map((line) => `auditor: ${line}`))],
  }
}

/** Compares a world at rest with the record of the oracle. */
export async function judge(world: World): Promise<{ readonly workspaces: number; readonly violations: readonly string[] }> {
  const observed = (await Promise.all(world.tenants.map((api) => api.list()))).flat()
  const identities = await readIdentities(
    world.dataDir,
    observed.map(({ id }) => id),
  )
  return { workspaces: observed.length, violations: world.oracle.check(observed, identities) }
}

/** Kills the daemon under load after `afterMs`, and waits until every client knows. */
export async function killUnder(load: Load, world: World, wait: Promise<void>): Promise<void> {
  load.resume()
  await wait
  load.hold()
  await world.kill9()
  await load.idle()
}
