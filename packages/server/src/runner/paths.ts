/** Where the things of a workspace are on this host. Everything of one workspace is below one directory. */
import { join } from 'node:path'

/** Paths of one workspace. */
export interface WorkspacePaths {
  readonly root: string
  /** Record of the boot: written before the first side effect, needed to adopt and to clean up. */
  readonly record: string
  /** Held by the VM for life. */
  readonly lock: string
  readonly disk: string
  readonly logs: string
  /** Directory of one boot; the boot id makes it new each time. */
  run(bootId: string): string
  readonly runs: string
}

/** Directory that holds the directories of all workspaces. */
export function workspacesRoot(dataDir: string): string {
  return join(dataDir, 'vm')
}

/** Paths of the workspace `id`. The id is one of ours: it has no character that means something in a path. */
export function workspacePaths(dataDir: string, id: string): WorkspacePaths {
  if (!/^ws_[a-z0-9]{1,32}$/.test(id)) throw new Error(`not a workspace id: ${JSON.stringify(id)}`)
  const root = join(workspacesRoot(dataDir), id)
  const runs = join(root, 'run')
  return {
    root,
    record: join(root, 'handle.json'),
    lock: join(root, 'lock'),
    disk: join(root, 'disk.ext4'),
    logs: join(root, 'logs'),
    runs,
    run: (bootId) => join(runs, bootId),
  }
}
