/** The calls of a client, where every VM that a call has started is checked for its confinement (S10). */
import { join } from 'node:path'
import type { Workspace, Workspaces } from '../../packages/sdk/src/index.ts'
import { findRecord } from '../../packages/server/src/runner/record.ts'
import type { VmHandle } from '../../packages/server/src/vmm/driver.ts'
import { findProcess } from '../../packages/server/src/vmm/qemu/proc.ts'
import { assertConfined } from './confinement.ts'

/** Wraps the calls that start VMs. */
export function confining(workspaces: Workspaces, dataDir: string): Workspaces {
  const checked = async (answer: Promise<Workspace>) => {
    const workspace = await answer
    if (workspace.info.is_running) await checkConfined(dataDir, workspace.id)
    return workspace
  }
  return {
    ...workspaces,
    create: (...args) => checked(workspaces.create(...args)),
    start: (...args) => checked(workspaces.start(...args)),
    restart: (...args) => checked(workspaces.restart(...args)),
    waitUntilReady: (...args) => checked(workspaces.waitUntilReady(...args)),
  }
}

/** Fails unless the VM of a workspace is confined. A VM that ends meanwhile was too short-lived to be judged. */
export async function checkConfined(dataDir: string, id: string): Promise<void> {
  const handle = await handleOf(dataDir, id)
  if (!handle) return
  try {
    await assertConfined(handle)
  } catch (error) {
    if ((await findProcess(handle.pid))?.startTicks === handle.startTicks) throw error
  }
}

/** The handle of a workspace's VM, as the daemon left it on disk; `undefined` when there is none. */
export async function handleOf(dataDir: string, id: string): Promise<VmHandle | undefined> {
  return (await findRecord(join(dataDir, 'vm', id, 'handle.json')))?.handle ?? undefined
}
