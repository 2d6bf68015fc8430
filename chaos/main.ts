/**
 * `script/chaos [FIGURE...] [--count N] [--seed S] [--full] [--record] [--json FILE]`: measures what `docs/reliability.md` promises.
 *
 *   figures/tNN.ts   one figure each; exports `figure: Figure` (see figure.ts)
 *   world.ts         a real daemon to break: D1 with stub guests, D2 with Linux; everything of it is swept at the end
 *   oracle.ts        what was asked and answered, kept outside the process under test, and judged against what is there
 *   load.ts          clients that do a bit of everything, as a table
 *   host-view.ts     rows against processes, taps, rules, cgroups, directories: quick, for after each blow
 *   audit.ts         the product's own auditor, through its command line
 *   converge.ts      waiting for rest
 *
 * Without names every figure runs at its CI size; `--full` takes the published sizes, `--record` writes what was found into
 * `docs/reliability.md`. Prints one line of JSON for each figure, then a table, and last `N passed, N failed`.
 */
import { randomInt } from 'node:crypto'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import type { Context, Figure, Result } from './figure.ts'
import { loadFigures } from './figures.ts'
import { createRandom } from './random.ts'
import { record } from './record.ts'
import { type Report, renderTable } from './report.ts'
import { createWorld, type World } from './world.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    count: { type: 'string' },
    seed: { type: 'string' },
    full: { type: 'boolean', default: false },
    record: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
})

/** Worlds that are not swept yet, and directories that are not removed yet. */
const worlds = new Set<World>()
const directories = new Set<string>()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void sweepAll().finally(() => process.exit(1)))

const figures = await loadFigures(positionals)
const reports: Report[] = []
for (const figure of figures) {
  const report = await measure(figure)
  reports.push(report)
  console.log(JSON.stringify(report))
  if (values.record) await record(report)
}
if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(reports, null, 2)}\n`)
console.log(renderTable(reports))
const failed = reports.filter(({ verdict }) => verdict === 'fail').length
console.log(`${reports.length - failed} passed, ${failed} failed`)
process.exit(failed > 0 || reports.length === 0 ? 1 : 0)

async function measure(figure: Figure): Promise<Report> {
  const seed = number('seed') ?? randomInt(2 ** 31)
  const size = { ...(values.full ? figure.full : figure.ci), ...(values.count === undefined ? {} : { count: number('count') ?? 0 }) }
  const tempDir = await mkdtemp('/tmp/chaos-')
  // VMs run as other users and pass through here.
  await chmod(tempDir, 0o711)
  directories.add(tempDir)
  const log = (message: string) => void process.stderr.write(`${figure.id} ${message}\n`)
  const context: Context = {
    ...{ seed, size, tempDir, log, random: createRandom(seed), count: size.count, isFull: values.full },
    async world(options) {
      const world = await createWorld(tempDir, options)
      worlds.add(world)
      return world
    },
  }
  log(`seed ${seed}, ${JSON.stringify(size)}: ${figure.title}`)
  const began = performance.now()
  const date = new Date().toISOString()
  const found = await figure.run(context).catch(brokenOff)
  const durationMs = Math.round(performance.now() - began)
  const swept = await sweepAll()
  const result = swept.length === 0 ? found : { ...found, verdict: 'fail' as const, violations: [...found.violations, ...swept] }
  return { id: figure.id, title: figure.title, seed, size, isFull: values.full, date, durationMs, ...result }
}

/** A figure that throws has not shown what it promises. */
function brokenOff(error: unknown): Result {
  return { verdict: 'fail', counts: {}, violations: [`broken off: ${error instanceof Error ? error.stack : error}`] }
}

/** Sweeps every world and what is left of its figure; what cannot be swept is told. */
async function sweepAll(): Promise<string[]> {
  const wrong: string[] = []
  for (const world of worlds) {
    worlds.delete(world)
    await world[Symbol.asyncDispose]().catch((error: unknown) => wrong.push(`could not be swept: ${error}`))
  }
  for (const directory of directories) await rm(directory, { recursive: true, force: true })
  directories.clear()
  return wrong
}

function number(name: 'count' | 'seed'): number | undefined {
  const text = values[name]
  if (text === undefined) return undefined
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} must be an integer of 1 or more`)
  return value
}
