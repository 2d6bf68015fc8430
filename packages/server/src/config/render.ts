/** The configuration as people read it: every value with its origin, secrets masked. */
import type { Config } from '../config.ts'

/** Renders one line per value: key, value as JSON, where it came from. */
export function renderConfig(config: Config): string {
  const lines = configEntries(config).map(({ key, value, origin }) => `${key} = ${JSON.stringify(value)}  # ${origin}`)
  return `${lines.join('\n')}\n`
}

/** One value of the configuration. */
export interface ConfigEntry {
  readonly key: string
  readonly value: unknown
  /** `default`, `flag --listen`, `environment ALCOVE_LISTEN` or `FILE:LINE`. */
  readonly origin: string
}

/** Returns every value with its origin, secrets masked; for `--json`. */
export function configEntries(config: Config): ConfigEntry[] {
  return [...config.origins].map(([key, origin]) => ({ key, value: masked(key, config[key as keyof Config]), origin }))
}

const mask = '********'

function masked(key: string, value: unknown): unknown {
  if (key === 'database' && typeof value === 'string') return maskUrl(value)
  if (key === 'failpoints') return Object.fromEntries(value as Config['failpoints'])
  return JSON.parse(JSON.stringify(value), (name, entry) => (name === 'password' ? mask : entry))
}

/** Hides the password in the authority and in the query of a database URL. */
function maskUrl(url: string): string {
  return url.replace(/^([a-z]+:\/\/[^:/?#]*:).*@/, `$1${mask}@`).replace(/([?&]password=)[^&#]*/g, `$1${mask}`)
}
