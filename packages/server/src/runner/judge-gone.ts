/** How a VM ended while no daemon watched, from what it left on the host and in its console log. */

import type { VmExit, VmHandle } from '../vmm/driver.ts'
import type { BootDependencies } from './boot.ts'
import { judgeEnd } from './judge-end.ts'
import { tailLog } from './log-files.ts'
import { workspacePaths } from './paths.ts'
import type { FoundVm, VmEnd } from './runner.ts'

/** Lines of the console that are looked through for a panic; a stack trace has about 40. */
const consoleLines = 100

/** Judges the end of a VM that is proved gone; `handle` is `undefined` where its record was lost. */
export async function judgeGone(
  deps: Pick<BootDependencies, 'vmm' | 'dataDir'>,
  { workspaceId, bootId }: FoundVm,
  handle: VmHandle | undefined,
): Promise<VmEnd> {
  const paths = workspacePaths(deps.dataDir, workspaceId)
  const { cgroups = [], hostBootId } = handle ?? {}
  const exit = await deps.vmm.exitOf({ workspaceId, bootId, runDir: paths.run(bootId), lockPath: paths.lock, cgroups, hostBootId })
  return judgeExit(deps, workspaceId, exit, undefined)
}

/** Judges an end by what the VMM saw and the console says. */
export async function judgeExit(
  { dataDir }: Pick<BootDependencies, 'dataDir'>,
  workspaceId: string,
  exit: VmExit,
  initFailure: string | undefined,
): Promise<VmEnd> {
  // A log that cannot be read says nothing of a panic.
  const console = await tailLog(workspacePaths(dataDir, workspaceId).logs, 'boot', consoleLines).catch(() => '')
  return judgeEnd(exit, console, initFailure)
}
