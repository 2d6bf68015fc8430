/** Workspaces, for people. */
import type { Workspace } from '@alcove/sdk'
import { type Column, renderFields } from './table.ts'

/** Columns of the list. */
export const workspaceColumns: readonly Column<Workspace>[] = [
  { title: 'ID', value: ({ id }) => id },
  { title: 'NAME', value: ({ name }) => name, shrinkTo: 8 },
  { title: 'STATUS', value: ({ info }) => info.status },
  { title: 'IMAGE', value: ({ image }) => image, shrinkTo: 8 },
  { title: 'IP', value: ({ ip }) => ip || '-' },
  { title: 'CPUS', value: ({ resources }) => resources.cpus, isNumber: true, isOptional: true },
  { title: 'MEMORY', value: ({ resources }) => renderMib(resources.memory_mb), isNumber: true, isOptional: true },
  { title: 'DISK', value: ({ resources }) => renderMib(resources.disk_size_mb), isNumber: true, isOptional: true },
  { title: 'UPTIME', value: ({ uptime, info }) => (info.is_running ? renderDuration(uptime) : '-'), isNumber: true, isOptional: true },
]

/** Renders a workspace as fields. */
export function renderWorkspace(workspace: Workspace): string {
  const { info, resources, provisioning } = workspace
  return renderFields([
    ['id', workspace.id],
    ['name', workspace.name],
    ['status', info.restart_required ? `${info.status} (changed settings wait for the next start)` : info.status],
    ['progress', provisioning && provisioning.state !== 'ready' ? provisioning.message : undefined],
    ['starts again', info.next_restart_at],
    ['failure', info.failure ? `${info.failure.message} (${info.failure.code}, ${info.failure.at})` : undefined],
    ['image', workspace.image],
    ['mode', workspace.mode],
    ['expires', workspace.expires_at],
    ['type', workspace.type],
    ['namespace', workspace.namespace ?? undefined],
    ['ip', workspace.ip],
    ['internet', workspace.network.allow_internet ? 'allowed' : 'denied'],
    ['ssh', workspace.access.ssh_enabled ? 'enabled' : 'disabled'],
    ['resources', `${resources.cpus} CPU, ${renderMib(resources.memory_mb)} memory, ${renderMib(resources.disk_size_mb)} disk`],
    ['generation', workspace.generation],
    ['uptime', info.is_running ? renderDuration(workspace.uptime) : undefined],
    ['created', workspace.created_at],
  ])
}

/** Renders MiB: whole GiB as such. */
export function renderMib(mib: number): string {
  return mib >= 1024 && mib % 1024 === 0 ? `${mib / 1024}G` : `${mib}M`
}

/** Renders seconds with the two largest units. */
export function renderDuration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds))
  const [days, hours, minutes] = [Math.floor(whole / 86_400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60]
  if (days > 0) return `${days}d${hours}h`
  if (hours > 0) return `${hours}h${minutes}m`
  return minutes > 0 ? `${minutes}m${whole % 60}s` : `${whole}s`
}
