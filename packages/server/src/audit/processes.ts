/** N1: one live VM per workspace that should run, none for any other. A process that only waits to be reaped is no VM. */
import type { VmProcess } from '../vmm/driver.ts'
import { parseMarker } from '../vmm/qemu/marker.ts'
import { findProcess, listPids, readCommandLine } from '../vmm/qemu/proc.ts'
import { type Judgement, notes } from './finding.ts'
import type { Known } from './known.ts'
import type { Place } from './place.ts'

/** Processes of an installation. */
export interface ObservedProcesses {
  readonly vmms: readonly VmProcess[]
  /** Shells of the launcher and writers of logs. */
  readonly helpers: readonly { readonly pid: number; readonly workspaceId: string }[]
}

/** Reads the processes of this host. */
export async function observeProcesses({ names, dataDir }: Pick<Place, 'names' | 'dataDir'>): Promise<ObservedProcesses> {
  const vmms: VmProcess[] = []
  const helpers: { pid: number; workspaceId: string }[] = []
  for (const pid of await listPids()) {
    const argv = await readCommandLine(pid)
    const marker = parseMarker(argv)
    const helped = marker ? undefined : workspaceOfHelper(argv, names.owner, dataDir)
    if (marker?.installId !== names.installId && helped === undefined) continue
    const process = await findProcess(pid)
    if (!process) continue
    if (helped !== undefined) helpers.push({ pid, workspaceId: helped })
    else if (marker) vmms.push({ pid, startTicks: process.startTicks, workspaceId: marker.workspaceId, bootId: marker.bootId })
  }
  return { vmms, helpers }
}

/** The launcher carries the mark of its VM further back; a writer of logs names the file. */
export function workspaceOfHelper(argv: readonly string[], owner: string, dataDir: string): string | undefined {
  if (!argv.slice(0, 8).some((word) => word.endsWith('/launcher.sh'))) return undefined
  for (const word of argv) {
    const marked = word.startsWith(`${owner}:`) ? word.slice(owner.length + 1).split(':')[0] : undefined
    const named = word.startsWith(`${dataDir}/vm/`) ? word.slice(dataDir.length + 4).split('/')[0] : undefined
    if (marked ?? named) return marked ?? named
  }
  return undefined
}

/** Compares them with the rows. */
export function compareProcesses(known: Known, { vmms, helpers }: ObservedProcesses): Judgement {
  const { findings, add } = notes('N1')
  const byWorkspace = Map.groupBy(vmms, ({ workspaceId }) => workspaceId)
  for (const vmm of vmms) {
    const { pid, workspaceId, bootId } = vmm
    const row = known.row(workspaceId)
    const object = `${workspaceId} process ${pid}`
    if (known.vm(workspaceId) === 'none')
      add(object, `A virtual machine runs, but ${known.describe(workspaceId)}.`, unexplained(known, workspaceId), { ...vmm })
    else if (known.vm(workspaceId) === 'must' && row?.boot_id !== bootId)
      add(object, `A virtual machine of boot ${bootId} runs, but the row speaks of ${row?.boot_id}.`, 'restart the workspace', { ...vmm })
  }
  for (const [workspaceId, all] of byWorkspace) {
    if (all.length > 1) add(workspaceId, `${all.length} virtual machines of one workspace run.`, 'stop the workspace', { pids: all.map(({ pid }) => pid) })
  }
  for (const { id, status, boot_id: bootId } of known.running) {
    if (!byWorkspace.has(id))
      add(id, `The workspace is ${status}, but no virtual machine of it runs.`, 'start the daemon, or wait for its next pass', { bootId })
  }
  for (const { pid, workspaceId } of helpers) {
    if (known.vm(workspaceId) !== 'none') continue
    add(`${workspaceId} helper ${pid}`, `A helper of a virtual machine runs, but ${known.describe(workspaceId)}.`, unexplained(known, workspaceId), { pid })
  }
  return { findings, checked: { virtualMachines: vmms.length, helpers: helpers.length, workspaces: known.rows.workspaces.length } }
}

function unexplained(known: Known, workspaceId: string): string {
  if (known.row(workspaceId)) return 'stop the workspace, or wait for a pass of the daemon'
  return 'nothing is destroyed on missing evidence: check that the database belongs to this data directory, then end the process'
}
