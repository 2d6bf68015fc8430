/** Finds the figures: each file in `chaos/figures` whose name is an id. */
import { readdir } from 'node:fs/promises'
import type { Figure } from './figure.ts'

const directory = new URL('figures/', import.meta.url)

/** Loads the figures that are named, or all, in the order of their numbers. @throws when one of the names is none */
export async function loadFigures(names: readonly string[]): Promise<Figure[]> {
  const files = (await readdir(directory)).filter((file) => /^[ts][0-9]{2}\.ts$/.test(file)).toSorted((a, b) => rank(a) - rank(b))
  const ids = files.map(idOf)
  const wanted = names.map((name) => name.toUpperCase())
  const unknown = wanted.filter((name) => !ids.includes(name))
  if (unknown.length > 0) throw new Error(`no figure ${unknown.join(', ')}; there are ${ids.join(', ')}`)
  const chosen = files.filter((file) => wanted.length === 0 || wanted.includes(idOf(file)))
  return Promise.all(
    chosen.map(async (file) => {
      const { figure } = (await import(new URL(file, directory).href)) as { figure?: Figure }
      if (figure?.id !== idOf(file)) throw new Error(`${file} does not export the figure ${idOf(file)}`)
      return figure
    }),
  )
}

/** `t01.ts` is T1. */
function idOf(file: string): string {
  return `${file[0]?.toUpperCase()}${Number(file.slice(1, 3))}`
}

/** T before S, then by number. */
function rank(file: string): number {
  return (file.startsWith('t') ? 0 : 100) + Number(file.slice(1, 3))
}
