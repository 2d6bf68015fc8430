/** Plans: what an account may own and run. Built-in ones, changed or joined by those of the configuration file. */
import { limits as contract, type Quota } from '@alcove/contract'
import { fail } from '../lib/fail.ts'

/** Smallest, largest and usual size of one workspace. */
export type Bounds = Quota['limits']['cpus']

/** Sizes of one workspace that a plan allows. */
export type PlanLimits = Quota['limits']

/** Resources of all workspaces together; memory and disk in MiB. */
export type PoolSize = Quota['pool']

/** What an account on a plan may have. */
export interface Plan {
  readonly name: string
  /** Name for people. */
  readonly label: string
  readonly limits: PlanLimits
  /** Of all workspaces, running or not. */
  readonly pool: PoolSize
  /** Of those that hold a VM. */
  readonly runningPool: PoolSize
  readonly maxSandboxes: number
}

/** A plan of the configuration file; what is absent comes from the built-in plan of the same name, or from `self-hosted`. */
export interface PlanInput {
  readonly label?: string
  readonly limits?: { readonly [R in keyof PlanLimits]?: Partial<Bounds> }
  readonly pool?: Partial<PoolSize>
  readonly running_pool?: Partial<PoolSize>
  readonly maxSandboxes?: number
}

/** What the host has; `self-hosted` shares it out. */
export interface HostCapacity {
  readonly cpus: number
  readonly memoryMib: number
  readonly diskMib: number
}

/** The plans of this server. */
export interface Plans {
  /** Returns a plan. @throws service_unavailable when the configuration no longer has it */
  get(name: string): Plan
  has(name: string): boolean
  readonly names: readonly string[]
}

/** How an absent limit is spelled on the wire: no sum of promised resources comes near it, and it fits a 32-bit integer. */
export const unlimited = 2_147_483_647

/** Workspaces that the address pool of one host can hold. */
const maxPerHost = 65_535
/** Virtual CPUs per CPU of the host that `self-hosted` lets run: a busy VM slows the others, it does not fail them. */
const cpuOvercommit = 8

const everything: PlanLimits = { cpus: contract.cpus, memory_mb: contract.memory_mb, writable_size_mb: contract.writable_size_mb }
const upTo = (cpus: number, memoryMib: number, diskMib: number): PlanLimits => ({
  cpus: { ...contract.cpus, max: cpus },
  memory_mb: { ...contract.memory_mb, max: memoryMib },
  writable_size_mb: { ...contract.writable_size_mb, max: diskMib },
})
const sized = (cpus: number, memory_mb: number, disk_mb: number): PoolSize => ({ cpus, memory_mb, disk_mb })
const plan = (name: string, label: string, limits: PlanLimits, pool: PoolSize, runningPool: PoolSize, maxSandboxes: number): Plan => ({
  name,
  label,
  limits,
  pool,
  runningPool,
  maxSandboxes,
})

/** Returns the plans that every server has, by name. */
export function builtInPlans(host: HostCapacity): Readonly<Record<string, Plan>> {
  const boundless = sized(unlimited, unlimited, unlimited)
  return {
    starter: plan('starter', 'Starter', upTo(2, 2048, 20_480), sized(12, 32_768, 20_480), sized(2, 2048, 20_480), 2),
    pro: plan('pro', 'Pro', upTo(8, 4096, 51_200), sized(16, 16_384, 51_200), sized(8, 8192, 25_600), 10),
    scale: plan('scale', 'Scale', upTo(32, 65_536, 204_800), sized(128, 131_072, 512_000), sized(64, 65_536, 256_000), 50),
    enterprise: plan('enterprise', 'Enterprise', everything, boundless, boundless, unlimited),
    // A stopped workspace costs the host its disk only.
    'self-hosted': plan(
      'self-hosted',
      'Self-hosted',
      everything,
      sized(unlimited, unlimited, host.diskMib),
      sized(host.cpus * cpuOvercommit, host.memoryMib, host.diskMib),
      maxPerHost,
    ),
  }
}

/** Returns the plan of a name with the changes of the configuration file. */
export function mergePlan(builtIn: Readonly<Record<string, Plan>>, name: string, input: PlanInput): Plan {
  const base = builtIn[name] ?? (builtIn['self-hosted'] as Plan)
  return {
    name,
    label: input.label ?? builtIn[name]?.label ?? name,
    limits: {
      cpus: { ...base.limits.cpus, ...input.limits?.cpus },
      memory_mb: { ...base.limits.memory_mb, ...input.limits?.memory_mb },
      writable_size_mb: { ...base.limits.writable_size_mb, ...input.limits?.writable_size_mb },
    },
    pool: { ...base.pool, ...input.pool },
    runningPool: { ...base.runningPool, ...input.running_pool },
    maxSandboxes: input.maxSandboxes ?? base.maxSandboxes,
  }
}

/** Makes the plans of this server: the built-in ones, then those of the configuration file. */
export function createPlans({ host, configured }: { readonly host: HostCapacity; readonly configured: Readonly<Record<string, PlanInput>> }): Plans {
  const builtIn = builtInPlans(host)
  const plans = new Map(Object.entries(builtIn))
  for (const [name, input] of Object.entries(configured)) plans.set(name, mergePlan(builtIn, name, input))
  return {
    names: [...plans.keys()],
    has: (name) => plans.has(name),
    get(name) {
      return plans.get(name) ?? fail('service_unavailable', { message: `The plan ${name} of this account is not configured on this server.` })
    },
  }
}
