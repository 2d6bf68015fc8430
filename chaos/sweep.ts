/** The end of a world: everything of its installation is removed by force, and nothing may be left. Touches only what bears its install id. */
import { readdir, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from '../packages/server/src/lib/subprocess.ts'
import { plainEnvironment, program } from '../test/support/daemon-process.ts'
import { hostTraces, qemuProcesses } from '../test/support/daemon-traces.ts'
import type { Lab } from '../test/support/network-lab.ts'
import { eventually, traces } from '../test/support/vmm.ts'
import type { World } from './world.ts'

/** Ends the VMs, then removes cgroups and network. @throws when something stays */
export async function sweep({ installId, dataDir, files }: Pick<World, 'installId' | 'dataDir' | 'files'>, lab?: Lab): Promise<void> {
  if (installId === '') return
  await eventually('every process of the installation has ended', async () => {
    const processes = await qemuProcesses(installId)
    for (const line of processes) end(Number(/^process (\d+):/.exec(line)?.[1]))
    return processes.length === 0
  })
  await removeCgroups(installId)
  const clean = [program, 'host', 'clean', '--data-dir', dataDir, '--config', files.config, '--artifacts', files.artifacts] as const
  await run(lab ? [...lab.enter(lab.hostNs), ...clean] : clean, { env: plainEnvironment() })
  await eventually('helpers of the virtual machines have ended', async () => (await traces(installId, dataDir)).length === 0)
  const left = await hostTraces({ installId, dataDir, ...(lab ? { lab } : {}) })
  if (left.length > 0) throw new Error(`left on the host of ${installId}: ${left.join('; ')}`)
}

/** The command line that was just read bears the mark of our installation; who took over the pid meanwhile would have to be microseconds old. */
function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

async function removeCgroups(installId: string): Promise<void> {
  const roots = ['/sys/fs/cgroup', ...(await readdir('/sys/fs/cgroup').catch((): string[] => [])).map((name) => join('/sys/fs/cgroup', name))]
  for (const root of roots) {
    const own = join(root, `alcove-${installId}`)
    const groups = await readdir(own, { withFileTypes: true }).catch(() => [])
    for (const group of groups) if (group.isDirectory()) await removeWhenEmpty(join(own, group.name))
    await removeWhenEmpty(own)
  }
}

/** The kernel lets go of a group shortly after its last process. */
async function removeWhenEmpty(path: string): Promise<void> {
  await eventually(`${path} is gone`, () =>
    rmdir(path).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return true
        if (error.code === 'EBUSY') return false
        throw error
      },
    ),
  )
}
