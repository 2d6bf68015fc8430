/** T7: the power is cut after any write; nothing that was acknowledged is lost, nothing is half or torn. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Deed, judgeDisk, type Story } from '../faults/durable-state.ts'
import { startLoggedDisk } from '../faults/logged-disk.ts'
import { mountMemory } from '../faults/mounts.ts'
import { need } from '../faults/need.ts'
import { placeData, roomy } from '../faults/place-data.ts'
import { replayPowerCuts } from '../faults/power-cut.ts'
import { readWriteLog } from '../faults/write-log.ts'
import { type Context, type Figure, latencyOf, result } from '../figure.ts'
import { smallest, type World } from '../world.ts'

/** Size of the disk with the data directory, MiB. */
const diskMib = 128
/** Cuts of the control: the loss it must show is at the end of the log. */
const controlCuts = 40

const loseSyncs = fileURLToPath(new URL('../faults/lose-syncs.ts', import.meta.url))

export const figure: Figure = {
  id: 'T7',
  title: 'power cut after any write: 0 acknowledged operations lost, 0 integrity errors, 0 half operations',
  ci: { count: 200, workspaces: 6 },
  full: { count: 2000, workspaces: 24 },
  async run(context) {
    await need('qemu-storage-daemon', 'losetup', 'mkfs.ext4', 'mount', '/dev/fuse', '/dev/loop-control')
    const kept = await cutPower(context, 'kept', context.count, context.size.workspaces ?? 6)
    context.log('control: the same without fsync')
    const lost = await cutPower(context, 'lost', controlCuts, 3, { NODE_OPTIONS: `--import=${loseSyncs}` })
    return result({
      counts: { cuts: kept.cuts, writes: kept.writes, acknowledged: kept.acknowledged, controlCuts: lost.cuts, controlViolations: lost.violations.length },
      latencies: { cut: latencyOf(kept.times) },
      violations: kept.violations,
      control: { name: 'synchronous=NORMAL and no fsync', failedAsItMust: lost.violations.some((line) => line.includes('was acknowledged')) },
    })
  },
}

interface Found {
  readonly cuts: number
  readonly writes: number
  readonly acknowledged: number
  readonly times: readonly number[]
  readonly violations: readonly string[]
}

/** Lets a daemon work on a logged disk, then cuts the power at `cuts` points of its log. */
async function cutPower(context: Context, name: string, cuts: number, workspaces: number, env?: Readonly<Record<string, string>>): Promise<Found> {
  const memory = await mountMemory(join(context.tempDir, name), 4096)
  try {
    const disk = await startLoggedDisk(memory.path, diskMib)
    let story: Story
    try {
      const world = await context.world({ start: false, plan: roomy, config: { minFreeDiskMb: 0 }, ...(env ? { env } : {}) })
      try {
        await placeData(world, disk.path)
        story = await work(world, () => disk.writes(), workspaces)
      } finally {
        await world[Symbol.asyncDispose]()
      }
    } finally {
      await disk.end()
    }
    const writes = await readWriteLog(disk.logPath)
    const points = pointsOf(story, cuts)
    context.log(`${name}: ${writes.length} writes, ${story.deeds.length} operations, ${points.length} cuts`)
    const power = await replayPowerCuts(disk, writes, memory.path, context.random.fork(name))
    const times: number[] = []
    const violations: string[] = []
    try {
      for (const [index, point] of points.entries()) {
        const began = performance.now()
        const loss = index % 2 === 0 ? 'none' : 'some'
        const wrong = await power.after(point, loss, (path) => judgeDisk(path, point, story))
        violations.push(...wrong.map((line) => `cut after ${point} of ${writes.length} writes (loss: ${loss}): ${line}`))
        times.push(performance.now() - began)
        if (index % 100 === 99) context.log(`${name}: ${index + 1} cuts, ${violations.length} violations`)
      }
    } finally {
      await power.end()
    }
    return { cuts: points.length, writes: writes.length, acknowledged: story.deeds.length, times, violations }
  } finally {
    await memory.end()
  }
}

/** Creates, stops, starts and deletes workspaces one after the other, and notes after how many writes each was begun and acknowledged. */
async function work(world: World, writes: () => Promise<number>, workspaces: number): Promise<Story> {
  const beganAt = await writes()
  await world.start()
  const servingAt = await writes()
  const api = await world.api('tenant-0')
  const deeds: Deed[] = []
  const act = async (verb: Deed['verb'], id: string, method: string, path: string, body?: unknown) => {
    const begunAt = await writes()
    const answer = await api.send(method, path, { ...(body === undefined ? {} : { body }) })
    const ackedAt = await writes()
    if (answer.kind === 'unanswered' || answer.status >= 300) throw new Error(`${verb} failed: ${JSON.stringify(answer)}`)
    const workspaceId = answer.body.workspace?.id ?? id
    deeds.push({ verb, id: workspaceId, begunAt, ackedAt })
    return workspaceId
  }
  for (let index = 0; index < workspaces; index++) {
    const id = await act('create', '', 'POST', '/workspace', { ...smallest, name: `cut-${index}` })
    if (index % 2 === 0) await act('stop', id, 'POST', `/workspace/${id}/stop`)
    if (index % 4 === 0) await act('start', id, 'POST', `/workspace/${id}/start`)
    if (index % 3 === 0) await act('delete', id, 'DELETE', `/workspace/${id}`)
  }
  const endedAt = await writes()
  await world.kill9()
  return { beganAt, servingAt, endedAt, deeds }
}

/** Points from before the first start to the end, evenly; the last write is one of them. */
function pointsOf({ beganAt, endedAt }: Story, cuts: number): number[] {
  const span = endedAt - beganAt
  if (span <= cuts) return Array.from({ length: span }, (_, index) => beganAt + index + 1)
  return Array.from({ length: cuts }, (_, index) => beganAt + Math.round(((index + 1) * span) / cuts))
}
