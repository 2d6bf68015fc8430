/** Creates on a file system that runs out of room at ever later steps: each is refused in words or done, and room alone mends it. */
import { symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { eventually } from '../../test/support/vmm.ts'
import { judge } from '../blow.ts'
import type { Context } from '../figure.ts'
import { createFiller, type Scarce } from './filler.ts'
import { mountExt4 } from './mounts.ts'
import { Operations } from './operations.ts'
import { placeData, roomy } from './place-data.ts'

/** What runs out, of which file system, and how far the sweep goes. */
export interface ScarceOptions {
  /** `data` holds everything, `database` the database alone. */
  readonly place: 'data' | 'database'
  readonly scarce: Scarce
  /** Distance between two amounts that are left. */
  readonly stride: number
}

/** What a sweep found. */
export interface ScarceFound {
  readonly refused: number
  readonly done: number
  /** From the moment there was room until a create succeeded, ms. */
  readonly mends: readonly number[]
  readonly violations: readonly string[]
}

/** Room after which a create is expected to succeed: the sweep ends after this many in a row. */
const successesAtEnd = 3
/** Longest time until a create works again, ms. */
const mendMs = 10_000

/** Sweeps the amount of what is left from nothing to enough. */
export async function sweepScarceDisk(context: Context, { place, scarce, stride }: ScarceOptions): Promise<ScarceFound> {
  const sizes = place === 'data' ? { sizeMib: 160, inodes: 512 } : { sizeMib: 32, inodes: 64 }
  const disk = await mountExt4(join(context.tempDir, `${place}-${scarce}`), scarce === 'inodes' ? sizes : { sizeMib: sizes.sizeMib })
  try {
    const world = await context.world({ start: false, plan: roomy, config: { minFreeDiskMb: 0 } })
    try {
      if (place === 'data') await placeData(world, disk.path)
      else await symlink(join(disk.path, 'alcove.db'), join(world.dataDir, 'alcove.db'))
      await world.start()
      world.tenants.push(await world.api('tenant-0'))
      return await sweep(context, new Operations(world), createFiller(disk.path), { place, scarce, stride })
    } finally {
      await world[Symbol.asyncDispose]()
    }
  } finally {
    await disk.end()
  }
}

async function sweep(context: Context, operations: Operations, filler: ReturnType<typeof createFiller>, options: ScarceOptions): Promise<ScarceFound> {
  const { world } = operations
  const { place, scarce, stride } = options
  const found = { refused: 0, done: 0, mends: [] as number[], violations: [] as string[] }
  const { pid } = world
  // Images, seeds and the files of the kernel are made by the first create.
  await operations.must('create')
  for (let left = 0, successes = 0; successes < successesAtEnd; left += stride) {
    const complain = (lines: readonly string[]) => found.violations.push(...lines.map((line) => `${place} with ${left} ${scarce} left: ${line}`))
    await operations.bring('create')
    await filler.leave(scarce, left)
    const answer = await operations.apply('create')
    const isDone = answer.kind === 'answered' && answer.status === 201
    const isRefused = answer.kind === 'answered' && answer.status === 507 && answer.body.code === 'storage_full'
    successes = isDone ? successes + 1 : 0
    if (isDone) found.done++
    else if (isRefused) found.refused++
    else complain([`the create was answered with ${JSON.stringify(answer).slice(0, 400)}`])
    // Where not even the end of a create can be stored, its row waits for room.
    await filler.release()
    if (!isDone) found.mends.push(await mended(operations))
    if (!world.isAlive || world.pid !== pid) throw new Error(`the daemon ended:\n${world.log.slice(-20).join('\n')}`)
    complain([...(await world.converge()).left, ...(await judge(world)).violations])
    if (left > 4000) throw new Error('a create takes more room than it can')
  }
  context.log(`${place} ${scarce}: ${found.refused} refused, ${found.done} done, ${found.violations.length} violations`)
  return found
}

/** Creates until it works; returns the time it took, ms. */
async function mended(operations: Operations): Promise<number> {
  const began = performance.now()
  await eventually(
    'a create works again',
    async () => {
      const answer = await operations.apply('create')
      return answer.kind === 'answered' && answer.status === 201
    },
    mendMs,
  )
  return performance.now() - began
}
