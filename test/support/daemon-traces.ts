/** What of an installation is on the host, of workspaces and of the installation itself; for tests that prove that nothing stays. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { runAny } from '../../packages/server/src/lib/subprocess.ts'
import { installNames } from '../../packages/server/src/network/names.ts'
import type { Lab } from './network-lab.ts'
import { traces } from './vmm.ts'

/** Where to look. */
export interface Place {
  readonly installId: string
  readonly dataDir: string
  readonly lab?: Lab | undefined
}

/** Processes, cgroups, taps, rules and files that name a workspace or a boot, one line each. Empty when there is no workspace. */
export async function workspaceTraces({ installId, dataDir }: Place): Promise<string[]> {
  const { namespace } = installNames(installId)
  const enter = ['nsenter', `--net=/run/netns/${namespace}`] as const
  const [processes, links, rules, directories, mounts] = await Promise.all([
    qemuProcesses(installId),
    runAny([...enter, 'ip', '-details', 'link', 'show']),
    runAny([...enter, 'nft', 'list', 'ruleset']),
    readdir(join(dataDir, 'vm')).catch((): string[] => []),
    runAny(['cat', '/proc/mounts']),
  ])
  const named = (what: string, text: string) =>
    text.split('\n').flatMap((line) => (/ws_[a-z0-9]+|boot_[a-z0-9]+/.test(line) ? [`${what}: ${line.trim()}`] : []))
  return [
    ...processes,
    ...named('link', links.stdout),
    ...named('rule', rules.stdout),
    // Mounts of other installations have names like ours.
    ...named('mount', mounts.stdout).filter((line) => line.includes(`${dataDir}/`)),
    ...directories.map((name) => `directory: vm/${name}`),
    ...(await cgroupTraces(installId)),
  ]
}

/** Anything at all of the installation, besides its data directory: to be asked after the daemon has ended and the host was cleaned. */
export async function hostTraces({ installId, dataDir, lab }: Place): Promise<string[]> {
  const { namespace, hostTable, veth } = installNames(installId)
  const host = lab ? lab.enter(lab.hostNs) : (['env'] as const)
  const [own, namespaces, tables, links] = await Promise.all([
    traces(installId, dataDir),
    readdir('/run/netns').catch((): string[] => []),
    runAny([...host, 'nft', 'list', 'tables']),
    runAny([...host, 'ip', 'link', 'show']),
  ])
  return [
    ...own,
    ...(namespaces.includes(namespace) ? [`namespace ${namespace}`] : []),
    ...(tables.stdout.split('\n').includes(`table ip ${hostTable}`) ? [`table ${hostTable}`] : []),
    ...(links.stdout.includes(`${veth}@`) ? [`device ${veth}`] : []),
  ]
}

/** Virtual machines of the installation: `process PID: ...`. */
export async function qemuProcesses(installId: string): Promise<string[]> {
  return (await traces(installId, `alcove:${installId}:`)).filter((line) => line.startsWith('process'))
}

async function cgroupTraces(installId: string): Promise<string[]> {
  const found: string[] = []
  for (const hierarchy of await readdir('/sys/fs/cgroup').catch((): string[] => [])) {
    const groups = await readdir(join('/sys/fs/cgroup', hierarchy, `alcove-${installId}`), { withFileTypes: true }).catch(() => [])
    for (const group of groups) if (group.isDirectory()) found.push(`cgroup: ${hierarchy}/${group.name}`)
  }
  const unified = await readdir(join('/sys/fs/cgroup', `alcove-${installId}`), { withFileTypes: true }).catch(() => [])
  return [...found, ...unified.filter((entry) => entry.isDirectory()).map((entry) => `cgroup: ${entry.name}`)]
}
