/** A process of its own that keeps some memory of each thing it does: what a detector of leaks must find. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { readVitals } from '../vitals.ts'

/** Things it does, and between two looks. */
const lives = 1000
const lookEvery = 2

const program = `
const kept = []
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const { count, kib } = JSON.parse(line)
  for (let life = 0; life < count; life++) {
    const bytes = Buffer.alloc(Math.max(1, kib) * 1024, 1)
    if (kib > 0) kept.push(bytes)
  }
  console.log('done')
})`

/** Runs such a child that keeps `kib` KiB each time; returns what was seen of its memory. */
export async function leakyChild(kib: number): Promise<{ readonly lives: number; readonly rssKib: number }[]> {
  const child = spawn(process.execPath, ['-e', program], { stdio: ['pipe', 'pipe', 'inherit'] })
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const looks: { lives: number; rssKib: number }[] = []
  try {
    // The first ones make it as large as it needs to be.
    for (let done = -200; done < lives; done += lookEvery) {
      child.stdin.write(`${JSON.stringify({ count: lookEvery, kib })}\n`)
      await answers.next()
      if (done >= 0) looks.push({ lives: done + lookEvery, rssKib: (await readVitals(child.pid as number)).rssKib })
    }
  } finally {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
  return looks
}
