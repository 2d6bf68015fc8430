/** What the configuration file may hold. */
import { limits } from '@alcove/contract'
import { logLevels } from '../lib/log.ts'
import { type PlanInput, unlimited } from '../tenancy/plans.ts'
import type { Prices } from '../tenancy/prices.ts'
import { type Check, fields, integer, list, mapping, oneOf, type Path, type Report, text } from './check.ts'

/** An address to listen on. */
export interface Listener {
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
}

/** A proxy that a workspace may be assigned to. */
export interface OutboundProxy {
  readonly id: number
  readonly label: string
  readonly host: string
  readonly port: number
  readonly protocol: 'http' | 'https' | 'socks5'
  readonly username?: string
  readonly password?: string
}

const amount = integer(0, unlimited)
const label = text(/^[^\p{Cc}]{1,64}$/u, 'a text of 1 to 64 characters')
const bounds = ({ min, max }: { min: number; max: number }) => {
  const value = integer(min, max)
  return fields<NonNullable<NonNullable<PlanInput['limits']>['cpus']>>({ min: value, max: value, default: value })
}
const pool = fields<NonNullable<PlanInput['pool']>>({ cpus: amount, memory_mb: amount, disk_mb: amount })

const plan = fields<PlanInput & Record<string, unknown>>({
  label,
  limits: fields<NonNullable<PlanInput['limits']>>({
    cpus: bounds(limits.cpus),
    memory_mb: bounds(limits.memory_mb),
    writable_size_mb: bounds(limits.writable_size_mb),
  }),
  pool,
  running_pool: pool,
  maxSandboxes: amount,
})

const secret = text(/^[^\p{Cc}]{1,255}$/u, 'a text of 1 to 255 characters')
const proxy = fields<OutboundProxy & Record<string, unknown>>(
  {
    id: integer(1, unlimited),
    label,
    host: text(/^[A-Za-z0-9.:_-]{1,253}$/, 'a host name or an address'),
    port: integer(1, 65_535),
    protocol: oneOf(['http', 'https', 'socks5']),
    username: secret,
    password: secret,
  },
  ['id', 'label', 'host', 'port', 'protocol'],
)

const proxies: Check<OutboundProxy[]> = (value, path, report) => {
  const checked = list(proxy, 1000)(value, path, report)
  const seen = new Set<number>()
  for (const [index, { id }] of (checked ?? []).entries()) {
    if (seen.has(id)) report([...path, index, 'id'], `${id} is the id of another proxy already`)
    seen.add(id)
  }
  return checked
}

/** Accepts `HOST:PORT`, several of them separated by commas, or a list. */
const listen: Check<Listener[]> = (value, path, report) => {
  const entries: unknown[] = typeof value === 'string' ? value.split(',').map((entry) => entry.trim()) : Array.isArray(value) ? value : [value]
  if (entries.length === 0) report(path, 'must name at least one HOST:PORT')
  return entries.flatMap((entry, index) => listener(entry, Array.isArray(value) ? [...path, index] : path, report) ?? [])
}

function listener(value: unknown, path: Path, report: Report): Listener | undefined {
  const match = typeof value === 'string' ? /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9.-]+)):([0-9]{1,5})$/.exec(value) : null
  const port = Number(match?.[3])
  if (match && port <= 65_535) return { host: (match[1] ?? match[2]) as string, port }
  report(path, 'must be HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080')
  return undefined
}

/** A price of an hour. */
const price: Check<number> = (value, path, report) => {
  if (typeof value === 'number' && value >= 0 && value <= 1e9) return value
  report(path, 'must be a number from 0')
  return undefined
}

const absolutePath = text(/^\/[^\0]*$/, 'an absolute path')
const seconds = integer(1, 3600)

/** The checks of each key of the file; flags and environment variables of the same settings pass them too. */
export const fileChecks = {
  dataDir: absolutePath,
  listen,
  logLevel: oneOf(logLevels),
  database: text(/^(sqlite:\/|postgres(ql)?:\/\/)/, 'sqlite:/absolute/path or postgres://user:password@host/database'),
  artifacts: absolutePath,
  defaultPlan: text(/^[a-z0-9][a-z0-9-]{0,62}$/, 'the name of a plan'),
  plans: mapping(/^[a-z0-9][a-z0-9-]{0,62}$/, 'lowercase letters, digits and hyphens', plan),
  outboundProxies: proxies,
  /** Longest a VM may take to answer. */
  bootTimeoutSeconds: seconds,
  /** Longest a create waits for it before it answers `creating`. */
  createBudgetSeconds: seconds,
  /** Longest an orderly shutdown may take before the VM is killed. */
  stopGraceSeconds: seconds,
  /** Days for which events and operations are kept. */
  historyDays: integer(1, 36_500),
  /** What `GET /workspace/estimate` reckons with. */
  prices: fields<Partial<Prices> & Record<string, unknown>>({ cpu_hour: price, memory_gb_hour: price, disk_gb_hour: price, currency: label }),
  /** Space on the disk of the data directory below which nothing is created or started, MiB. */
  minFreeDiskMb: amount,
} as const satisfies Record<string, Check<unknown>>

/** A key of the file. */
export type SettingName = keyof typeof fileChecks

/** Values of the settings. */
export type Settings = { -readonly [K in SettingName]: NonNullable<ReturnType<(typeof fileChecks)[K]>> }
