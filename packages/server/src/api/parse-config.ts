/** Reads the `config` object of a request: checked against the contract, aliases folded, nothing filled in. */
import { type Config, ConfigInput, limits, type Schema } from '@alcove/contract'
import type { Static } from 'typebox'
import { Compile } from 'typebox/compile'
import { fail } from '../lib/fail.ts'
import type { ConfigPatch } from '../workspace/workspaces.ts'
import { explainMismatch, isRecord } from './explain.ts'
import { foldIdle, foldTtl } from './fold-times.ts'

type WorkloadGiven = NonNullable<ConfigInput['workloads']>[number]
type Workload = Config['workloads'][number]

const validator = Compile(ConfigInput)

/** Parses `config`; absent is `{}`. @throws INVALID_CONFIG with `details.field` and `details.allowed` */
export function parseConfig(given: unknown): ConfigPatch {
  if (given === undefined) return {}
  if (!isRecord(given)) return refuse('config', 'config must be an object.', 'an object')
  if (!validator.Check(given)) {
    const { message, ...details } = explainMismatch(ConfigInput as object as Schema, given, 'config')
    return fail('INVALID_CONFIG', { message, details })
  }
  assertCleanText(given, 'config')
  return fold(given)
}

function refuse(field: string, message: string, allowed: unknown): never {
  return fail('INVALID_CONFIG', { message, details: { field, allowed } })
}

/** NUL ends a C string in the guest and is refused by PostgreSQL; half a surrogate pair is not text; `__proto__` is nobody's name. */
function assertCleanText(value: unknown, field: string): void {
  if (typeof value === 'string') {
    if (value.includes('\0') || !value.isWellFormed()) refuse(field, `${field} holds a NUL character or broken Unicode.`, 'text without NUL')
  } else if (Array.isArray(value)) {
    value.forEach((item, index) => {
      assertCleanText(item, `${field}.${index}`)
    })
  } else if (isRecord(value)) {
    for (const [key, item] of Object.entries(value)) {
      if (key === '__proto__') refuse(`${field}.__proto__`, `${field} holds the key __proto__, which is not allowed.`, 'another key')
      assertCleanText(key, field)
      assertCleanText(item, `${field}.${key.slice(0, 64)}`)
    }
  }
}

function fold(given: Static<typeof ConfigInput>): ConfigPatch {
  const { disk_size_mb, writable_size_mb, ttl, network_config, allow_internet, env, cmd, workloads, idle, ...plain } = given
  const disk = same('config.writable_size_mb', writable_size_mb, 'config.disk_size_mb', disk_size_mb)
  const internet = same('config.network_config.allow_internet', network_config?.allow_internet, 'config.allow_internet', allow_internet)
  return {
    ...plain,
    ...(disk === undefined ? {} : { writable_size_mb: disk }),
    ...(ttl === undefined ? {} : { ttl: foldTtl(ttl, 'config.ttl', refuse) }),
    ...(idle === undefined ? {} : { idle: idle === null ? null : foldIdle(idle, 'config.idle', refuse) }),
    ...(network_config || internet !== undefined
      ? { network_config: { ...network_config, ...(internet === undefined ? {} : { allow_internet: internet }) } }
      : {}),
    ...(env === undefined ? {} : { env: foldEnv(env) }),
    ...(cmd === undefined ? {} : { cmd: assertProgram(cmd, 'config.cmd') }),
    ...(workloads === undefined ? {} : { workloads: workloads.map(foldWorkload) }),
  }
}

/** Two names of one setting may both be given when they agree. */
function same<T>(name: string, value: T | undefined, alias: string, other: T | undefined): T | undefined {
  if (value !== undefined && other !== undefined && value !== other) refuse(alias, `${alias} and ${name} differ; give one of them.`, value)
  return value ?? other
}

/** Of entries with the same name the last counts, as in a shell. */
function foldEnv(entries: NonNullable<ConfigInput['env']>): Config['env'] {
  const values = new Map<string, string>()
  entries.forEach((entry, index) => {
    const { key, value } = typeof entry === 'string' ? splitEntry(entry) : entry
    if (value.length > limits.envValueChars) {
      refuse(`config.env.${index}`, `The value of config.env.${index} is longer than ${limits.envValueChars} characters.`, { max: limits.envValueChars })
    }
    values.delete(key)
    values.set(key, value)
  })
  return [...values].map(([key, value]) => ({ key, value }))
}

function splitEntry(entry: string): { key: string; value: string } {
  const at = entry.indexOf('=')
  return { key: entry.slice(0, at), value: entry.slice(at + 1) }
}

function assertProgram<T extends string | readonly string[]>(cmd: T, field: string): T {
  if (cmd[0] === '') refuse(`${field}.0`, `${field} names no program.`, 'a program and its arguments')
  return cmd
}

function foldWorkload(given: WorkloadGiven, index: number): Workload {
  const field = `config.workloads.${index}`
  const { env, restart, restart_policy, ...plain } = given
  const policy = same(`${field}.restart_policy`, restart_policy, `${field}.restart`, restart === 'no' ? 'never' : restart)
  assertProgram(plain.cmd, `${field}.cmd`)
  return {
    ...plain,
    ...(env === undefined ? {} : { env: Array.isArray(env) ? env : foldEnvObject(env, `${field}.env`) }),
    restart_policy: policy ?? 'never',
  }
}

function foldEnvObject(env: Readonly<Record<string, string>>, field: string): string[] {
  const entries = Object.entries(env)
  if (entries.length > limits.envEntries) refuse(field, `${field} has more than ${limits.envEntries} entries.`, { max: limits.envEntries })
  for (const [key, value] of entries) {
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(key))
      refuse(field, `${field} has a name that is not made of letters, digits and underscores.`, '^[A-Za-z_][A-Za-z0-9_]*$')
    if (key.length + 1 + value.length > limits.envValueChars)
      refuse(`${field}.${key.slice(0, 64)}`, `${field}.${key.slice(0, 64)} is too long.`, { max: limits.envValueChars })
  }
  return entries.map(([key, value]) => `${key}=${value}`)
}
