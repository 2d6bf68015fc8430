/** What a process holds, as the kernel has it. */
import { readdir, readFile } from 'node:fs/promises'
import { listPids } from '../packages/server/src/vmm/qemu/proc.ts'

/** What a process holds at a moment. */
export interface Vitals {
  readonly fds: number
  readonly rssKib: number
  /** Children that have ended and were not waited for. */
  readonly zombies: number
}

/** Reads what a process holds. @throws when it is gone */
export async function readVitals(pid: number): Promise<Vitals> {
  const [fds, status, zombies] = await Promise.all([readdir(`/proc/${pid}/fd`), readFile(`/proc/${pid}/status`, 'utf8'), countZombies(pid)])
  return { fds: fds.length, rssKib: Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? 0), zombies }
}

async function countZombies(parent: number): Promise<number> {
  const stats = await Promise.all((await listPids()).map((pid) => readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')))
  return stats.filter((text) => text.slice(text.lastIndexOf(')') + 2).startsWith(`Z ${parent} `)).length
}
