/** T8: the disk is full, fails, is read-only or out of inodes at each step that writes; everything is answered in words and mends by itself. */
import { sweepFailingCalls } from '../faults/failing-calls.ts'
import { need } from '../faults/need.ts'
import { sweepScarceDisk } from '../faults/scarce-disk.ts'
import { type Figure, latencyOf, result } from '../figure.ts'

export const figure: Figure = {
  id: 'T8',
  title: 'ENOSPC, no inodes, EIO, EROFS at each write of a create: 507, nothing left, works again without restart',
  // `blocks`, `inodes` and `calls` are distances between two points of the sweeps; `count` is how many file systems they go over.
  ci: { count: 1, blocks: 16, inodes: 4, calls: 6 },
  full: { count: 2, blocks: 2, inodes: 1, calls: 1 },
  async run(context) {
    await need('strace', 'mkfs.ext4', 'losetup', 'mount', '/dev/loop-control')
    const { blocks = 1, inodes = 1, calls = 1 } = context.size
    const counts: Record<string, number> = {}
    const mends: number[] = []
    const rests: number[] = []
    const violations: string[] = []
    for (const place of (['data', 'database'] as const).slice(0, context.count)) {
      for (const [scarce, stride] of [
        ['blocks', blocks],
        ['inodes', inodes],
      ] as const) {
        const found = await sweepScarceDisk(context, { place, scarce, stride })
        counts[`${place}_${scarce}_refused`] = found.refused
        counts[`${place}_${scarce}_done`] = found.done
        mends.push(...found.mends)
        violations.push(...found.violations)
        if (found.refused === 0) violations.push(`no create was ever refused for want of ${scarce} of ${place}: the fault did not happen`)
      }
    }
    for (const error of ['ENOSPC', 'EIO', 'EROFS'] as const) {
      const found = await sweepFailingCalls(context, error, calls)
      counts[`${error}_faults`] = found.faults
      counts[`${error}_refused`] = found.refused
      if (error === 'EIO') counts.EIO_ends = found.ends
      rests.push(...found.rests)
      violations.push(...found.violations)
      if (found.faults === 0) violations.push(`${error} never happened`)
    }
    return result({ counts, latencies: { mends: latencyOf(mends), rests: latencyOf(rests) }, violations })
  },
}
