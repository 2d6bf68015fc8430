/** The configuration: flag before environment before file before default. The one place that reads the environment. */

import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { resolve } from 'node:path'
import { type Check, isMapping, type Path, suggestion } from './config/check.ts'
import { dataDirMistakes } from './config/data-dir.ts'
import { fileChecks, type SettingName, type Settings } from './config/file-schema.ts'
import { parseYaml, type YamlFile } from './config/yaml-file.ts'
import { messageOf } from './lib/fail.ts'
import type { FailpointAction, Failpoints } from './lib/step.ts'
import { builtInPlans, mergePlan } from './tenancy/plans.ts'

export { ensureDataDir } from './config/data-dir.ts'
export type { Listener, OutboundProxy } from './config/file-schema.ts'
export { refuseLostData } from './config/lost-data.ts'
export { type ConfigEntry, configEntries, renderConfig } from './config/render.ts'

/** Everything that can be set, checked. */
export interface Config extends Readonly<Settings> {
  /** Failpoints by step; empty but in tests. */
  readonly failpoints: Failpoints
  /** What answers in place of the agents; `null` but in tests. */
  readonly testGuest: 'stub' | null
  /** Whether signals make the daemon fail as a bug in it might; `null` but in tests. */
  readonly testFaults: 'signals' | null
  /** Proxies and certificates of this host, for the programs that fetch packages. */
  readonly buildEnv: Readonly<Record<string, string>>
  /** The file that was read; `null` when none was named. */
  readonly configPath: string | null
  /** Where each value came from, by key. */
  readonly origins: ReadonlyMap<string, string>
}

/** Settings given as flags; absent ones come from elsewhere. */
export type Overrides = { readonly [K in 'dataDir' | 'listen' | 'logLevel' | 'database' | 'artifacts' | 'defaultPlan']?: string | undefined }

/** Where the configuration comes from. */
export interface ConfigSources {
  readonly overrides?: Overrides
  /** Default: the environment of the process. */
  readonly env?: Readonly<Record<string, string | undefined>>
  /** The file; without it `ALCOVE_CONFIG` names it, and without that there is none. */
  readonly configPath?: string | undefined
}

/** All that is wrong with a configuration, one line each. */
export class ConfigError extends Error {
  readonly mistakes: readonly string[]

  constructor(mistakes: readonly string[]) {
    super(
      `The configuration has ${mistakes.length === 1 ? 'a mistake' : `${mistakes.length} mistakes`}:\n${mistakes.map((mistake) => `  ${mistake}`).join('\n')}`,
    )
    this.name = 'ConfigError'
    this.mistakes = mistakes
  }
}

/** Reads and checks the configuration. @throws ConfigError with every mistake there is */
export async function loadConfig({ overrides = {}, env = process.env, configPath }: ConfigSources = {}): Promise<Config> {
  const mistakes: string[] = []
  const path = configPath ?? (env.ALCOVE_CONFIG || undefined)
  const origins = new Map<string, string>()
  const settings = defaults(env)
  for (const name of Object.keys(fileChecks) as SettingName[]) origins.set(name, 'default')

  const file = path === undefined ? undefined : await readFileSettings(path, settings, origins, mistakes)
  for (const [name, { flag, variable }] of Object.entries(sources) as [keyof Overrides, (typeof sources)[keyof typeof sources]][]) {
    const overridden = overrides[name]
    const given = overridden ?? (env[variable] || undefined)
    if (given !== undefined) takeText(name, given, overridden === undefined ? `environment ${variable}` : `flag ${flag}`, settings, origins, mistakes)
  }
  if (origins.get('database') === 'default') settings.database = `sqlite:${settings.dataDir}/alcove.db`
  settings.dataDir = resolve(settings.dataDir)
  for (const mistake of await dataDirMistakes(settings.dataDir)) mistakes.push(`${origins.get('dataDir')}: dataDir ${settings.dataDir} ${mistake}`)
  checkPlans(settings, origins, (at) => (file && path !== undefined ? `${path}:${file.lineOf(at)}` : 'default'), mistakes)
  const failpoints = readFailpoints(env, mistakes)
  if (failpoints.size > 0) origins.set('failpoints', 'environment ALCOVE_FAILPOINTS')
  const testGuest = readTestWord(env, 'ALCOVE_TEST_GUEST', ['stub'], mistakes)
  if (testGuest) origins.set('testGuest', 'environment ALCOVE_TEST_GUEST')
  const testFaults = readTestWord(env, 'ALCOVE_TEST_FAULTS', ['signals'], mistakes)
  if (testFaults) origins.set('testFaults', 'environment ALCOVE_TEST_FAULTS')
  if (mistakes.length > 0) throw new ConfigError(mistakes)
  return { ...settings, failpoints, testGuest, testFaults, buildEnv: buildEnvironment(env), configPath: path ?? null, origins }
}

/** Flag and variable of each setting that has them. */
const sources = {
  dataDir: { flag: '--data-dir', variable: 'ALCOVE_DATA_DIR' },
  listen: { flag: '--listen', variable: 'ALCOVE_LISTEN' },
  logLevel: { flag: '--log-level', variable: 'ALCOVE_LOG_LEVEL' },
  database: { flag: '--database', variable: 'ALCOVE_DATABASE_URL' },
  artifacts: { flag: '--artifacts', variable: 'ALCOVE_ARTIFACTS' },
  defaultPlan: { flag: '--default-plan', variable: 'ALCOVE_DEFAULT_PLAN' },
} as const satisfies Record<keyof Overrides, { flag: string; variable: string }>

function defaults(env: Readonly<Record<string, string | undefined>>): Settings {
  return {
    dataDir: '/var/lib/alcove',
    listen: [{ host: '127.0.0.1', port: 8080 }],
    logLevel: 'info',
    database: 'sqlite:/var/lib/alcove/alcove.db',
    artifacts: `${env.HOME || homedir()}/.cache/alcove/artifacts.json`,
    defaultPlan: 'self-hosted',
    plans: {},
    outboundProxies: [],
    bootTimeoutSeconds: 180,
    createBudgetSeconds: 60,
    stopGraceSeconds: 15,
    historyDays: 90,
    prices: {},
    minFreeDiskMb: 512,
  }
}

async function readFileSettings(path: string, settings: Settings, origins: Map<string, string>, mistakes: string[]): Promise<YamlFile | undefined> {
  let content: string
  try {
    content = await readFile(path, 'utf8')
  } catch (error) {
    mistakes.push(`${path}: cannot be read: ${messageOf(error)}`)
    return undefined
  }
  const file = parseYaml(content)
  for (const { line, message } of file.mistakes) mistakes.push(`${path}:${line}: ${message}`)
  if (!isMapping(file.value)) mistakes.push(`${path}:1: the file must be a mapping of settings`)
  const report = (at: Path, message: string) => mistakes.push(`${path}:${file.lineOf(at)}: ${spell(at)} ${message}`)
  for (const [name, value] of Object.entries(isMapping(file.value) ? file.value : {})) {
    if (Object.hasOwn(fileChecks, name)) take(name as SettingName, value, `${path}:${file.lineOf([name])}`, settings, origins, report)
    else report([name], `is not a known key${suggestion(name, Object.keys(fileChecks))}`)
  }
  return file
}

/** `plans.pro.limits` or `outboundProxies[0].port`. */
function spell(path: Path): string {
  return path.map((step, index) => (typeof step === 'number' ? `[${step}]` : index === 0 ? step : `.${step}`)).join('')
}

function takeText(name: keyof Overrides, given: string, origin: string, settings: Settings, origins: Map<string, string>, mistakes: string[]): void {
  // A path on the command line is relative to where the command was given.
  const value = name === 'dataDir' || name === 'artifacts' ? resolve(given) : given
  take(name, value, origin, settings, origins, (_path, message) => mistakes.push(`${origin}: ${name} ${message}`))
}

function take(
  name: SettingName,
  value: unknown,
  origin: string,
  settings: Settings,
  origins: Map<string, string>,
  report: (path: Path, message: string) => void,
): void {
  const check: Check<unknown> = fileChecks[name]
  const checked = check(value, [name], report)
  if (checked === undefined) return
  Object.assign(settings, { [name]: checked })
  origins.set(name, origin)
}

/** Checks what only shows once file and built-in plans are merged. */
function checkPlans(settings: Settings, origins: ReadonlyMap<string, string>, placeOf: (path: Path) => string, mistakes: string[]): void {
  // Sizes of single workspaces do not depend on the host.
  const builtIn = builtInPlans({ cpus: 1, memoryMib: 1, diskMib: 1 })
  for (const [name, input] of Object.entries(settings.plans)) {
    for (const [field, { min, max, default: usual }] of Object.entries(mergePlan(builtIn, name, input).limits)) {
      if (min <= usual && usual <= max) continue
      const at = ['plans', name, 'limits', field]
      mistakes.push(`${placeOf(at)}: ${spell(at)} must have min ≤ default ≤ max; it has ${min}, ${usual}, ${max} with what the built-in plan adds`)
    }
  }
  const names = [...Object.keys(builtIn), ...Object.keys(settings.plans)]
  if (names.includes(settings.defaultPlan)) return
  mistakes.push(`${origins.get('defaultPlan')}: defaultPlan must be one of ${names.join(', ')}${suggestion(settings.defaultPlan, names)}`)
}

/** What package managers take from the environment. Nothing else of it reaches them. */
const buildVariable = /^(https?_proxy|no_proxy|ssl_cert_file|node_extra_ca_certs|npm_config_(registry|cafile|https?_proxy|proxy|noproxy))$/i

function buildEnvironment(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(Object.entries(env).flatMap(([name, value]) => (value && buildVariable.test(name) ? [[name, value]] : [])))
}

/** A word of the environment that only tests may set. */
function readTestWord<W extends string>(
  env: Readonly<Record<string, string | undefined>>,
  variable: string,
  words: readonly W[],
  mistakes: string[],
): W | null {
  const given = env[variable]
  if (!given) return null
  if (env.ALCOVE_TEST !== '1') mistakes.push(`environment ${variable}: is for tests only and needs ALCOVE_TEST=1; unset it`)
  const known = words.find((word) => word === given)
  if (!known) mistakes.push(`environment ${variable}: ${given} must be ${words.join(' or ')}`)
  return known ?? null
}

const failpointActions = ['error', 'kill', 'hang', 'twice', 'skip', 'note'] as const satisfies readonly FailpointAction[]

function readFailpoints(env: Readonly<Record<string, string | undefined>>, mistakes: string[]): Failpoints {
  const failpoints = new Map<string, FailpointAction>()
  const given = env.ALCOVE_FAILPOINTS
  if (!given) return failpoints
  if (env.ALCOVE_TEST !== '1') mistakes.push('environment ALCOVE_FAILPOINTS: is for tests only and needs ALCOVE_TEST=1; unset it')
  for (const pair of given.split(',')) {
    const [name = '', action = ''] = pair.trim().split('=')
    const known = failpointActions.find((word) => word === action)
    if (known && /^[a-z0-9.-]+$/.test(name)) failpoints.set(name, known)
    else mistakes.push(`environment ALCOVE_FAILPOINTS: ${pair} must be STEP=ACTION with an action of ${failpointActions.join(', ')}`)
  }
  return failpoints
}
