/** What boots left on this host, and the removal of what one of them left: every trace names its boot, so that nothing else is ever touched. */
import { readdir, rm } from 'node:fs/promises'
import { slotOfTap } from '../network/slots.ts'
import type { BootDependencies } from './boot.ts'
import { workspacePaths, workspacesRoot } from './paths.ts'
import type { BootTraces, HostInventory } from './runner.ts'

type Dependencies = Pick<BootDependencies, 'dataDir' | 'vmm' | 'network' | 'step'>

/** Reads processes, taps, rules, control groups and directories. @throws when one of them cannot be read: half an inventory proves nothing */
export async function readInventory({ dataDir, vmm, network }: Dependencies): Promise<HostInventory> {
  const [processes, taps, groups, directories] = await Promise.all([vmm.inventory(), network.inventory(), vmm.groups(), namesIn(workspacesRoot(dataDir))])
  const workspaces = new Set(directories.filter((name) => name.startsWith('ws_')))
  const boots = new Map<string, { workspaceId: string; bootId: string; slots: number[] }>()
  const note = (workspaceId: string, bootId: string, slot?: number) => {
    const known = boots.get(`${workspaceId} ${bootId}`) ?? { workspaceId, bootId, slots: [] }
    boots.set(`${workspaceId} ${bootId}`, known)
    if (slot !== undefined) known.slots.push(slot)
  }
  for (const { workspaceId, bootId } of [...processes, ...groups]) note(workspaceId, bootId)
  for (const { workspaceId, bootId, tap } of taps) note(workspaceId, bootId, slotOfTap(tap))
  for (const id of workspaces) {
    for (const name of await namesIn(workspacePaths(dataDir, id).runs)) if (name.startsWith('boot_')) note(id, name)
  }
  for (const { workspaceId } of boots.values()) workspaces.add(workspaceId)
  return { workspaces: [...workspaces], boots: [...boots.values()] }
}

/** Removes what one boot left, its process first. @throws conflict STOP_FAILED while something of it lives */
export async function discard({ dataDir, vmm, network, step }: Dependencies, { workspaceId, bootId, slots }: BootTraces): Promise<void> {
  for (const found of await vmm.inventory()) {
    if (found.workspaceId === workspaceId && found.bootId === bootId) await step('discard.process', () => vmm.killProcess(found))
  }
  for (const slot of slots) await network.discard({ workspaceId, bootId, slot })
  const runDir = workspacePaths(dataDir, workspaceId).run(bootId)
  await vmm.discard({ workspaceId, bootId, runDir })
  await step('discard.files', () => rm(runDir, { recursive: true, force: true }))
}

async function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return []
    throw error
  })
}
