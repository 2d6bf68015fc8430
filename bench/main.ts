/** `script/bench [boot|http]…`: prints a table and exits with 1 when a target is missed. */
import { cpus } from 'node:os'
import { benchBoot } from './boot.ts'
import { benchHttp } from './http.ts'
import { type Finding, machineState } from './measure.ts'

const rounds = Number(process.env.ALCOVE_BENCH_ROUNDS ?? 7)
const all = { boot: benchBoot, http: benchHttp }
const wanted = process.argv.slice(2)
const before = await machineState()
const findings: Finding[] = []
for (const [name, bench] of Object.entries(all)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  process.stderr.write(`${name}\n`)
  findings.push(...(await bench(rounds)))
}
const after = await machineState()
console.log(
  `${cpus().length} × ${cpus()[0]?.model}, node ${process.versions.node}, load ${before.load} before and ${after.load} after, ${after.stealTicks - before.stealTicks} ticks stolen, ${rounds} rounds`,
)
console.log('| case | ratio (range) | target | |\n|---|---|---|---|')
for (const { name, ratio, range, target, isMet } of findings) {
  console.log(`| ${name} | ${ratio.toFixed(2)} (${range.map((value) => value.toFixed(2)).join(' – ')}) | ${target} | ${isMet ? 'met' : '**missed**'} |`)
}
if (findings.some((finding) => !finding.isMet)) process.exitCode = 1
