/** The named steps of the server: those in its code, and those that a run of it has done. */
import { glob, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { World } from './world.ts'

const source = fileURLToPath(new URL('../packages/server/src/', import.meta.url))

/** Steps that the code names; those of the driver that runs nothing are none of the server's. */
export async function stepsInCode(): Promise<string[]> {
  const found = new Set<string>()
  for await (const file of glob('**/*.ts', { cwd: source })) {
    if (/\.test\.ts$|\/fake\//.test(file)) continue
    const text = await readFile(`${source}${file}`, 'utf8')
    for (const [, name] of text.matchAll(/\bstep\(\s*'([a-z0-9.-]+)'/g)) found.add(name as string)
    // boot.ts puts the name of the part into one step.
    if (file.endsWith('runner/boot.ts')) for (const [, name] of text.matchAll(/\btimed\('([a-z]+)'/g)) found.add(`boot.${name}`)
  }
  return [...found].toSorted()
}

/** Lines of the daemon's log in which a step is noted; begin at `from`. */
export function stepsNoted({ log }: Pick<World, 'log'>, from = 0): Set<string> {
  return new Set(log.slice(from).flatMap((line) => /^\{"step":"([a-z0-9.-]+)"\}$/.exec(line)?.[1] ?? []))
}
