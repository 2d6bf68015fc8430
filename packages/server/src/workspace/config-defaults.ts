/** A stored config from a given one: defaults of the plan and of the contract filled in, or a change merged into what is there. */
import type { Config } from '@alcove/contract'
import { fail } from '../lib/fail.ts'
import type { PlanLimits } from '../tenancy/plans.ts'
import type { ConfigPatch } from './workspaces.ts'

/** A whole config from what a create request gave. */
export function fillDefaults(given: ConfigPatch, limits: PlanLimits): Config {
  return {
    ...given,
    cpus: given.cpus ?? limits.cpus.default,
    memory_mb: given.memory_mb ?? limits.memory_mb.default,
    writable_size_mb: given.writable_size_mb ?? limits.writable_size_mb.default,
    ttl_action: given.ttl_action ?? 'stop',
    remove_on_exit: given.remove_on_exit ?? false,
    restart_policy: given.restart_policy ?? 'no',
    max_restarts: given.max_restarts ?? 0,
    keep_logs: given.keep_logs ?? true,
    static_network: given.static_network ?? false,
    network_config: { allow_internet: true, public_ingress: false, ...given.network_config },
    ssh_access: given.ssh_access ?? false,
    env: given.env ?? [],
    workloads: given.workloads ?? [],
    wait_for_init: given.wait_for_init ?? false,
  }
}

/** A config with a change merged in: keys that are given replace, the others stay; `network_config` is merged key by key. */
export function mergeConfig(stored: Config, change: ConfigPatch): Config {
  if (change.writable_size_mb !== undefined && change.writable_size_mb < stored.writable_size_mb) {
    fail('INVALID_CONFIG', {
      message: `config.writable_size_mb cannot shrink: the disk has ${stored.writable_size_mb} MiB. Give at least that, or leave it out.`,
      details: { field: 'config.writable_size_mb', min: stored.writable_size_mb },
    })
  }
  return { ...stored, ...change, network_config: { ...stored.network_config, ...change.network_config } }
}
