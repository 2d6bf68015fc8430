/** N6: control groups are those of the rows, with their VMs in them; empty ones are removed. */
import { readdir, readFile, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { type Judgement, notes } from './finding.ts'
import type { Known } from './known.ts'
import { cgroupRoot, type Place } from './place.ts'

/** A group of an installation. */
export interface ObservedGroup {
  readonly path: string
  /** Where the hierarchy is mounted. */
  readonly hierarchy: string
  readonly name: string
  readonly processes: number
}

/** Groups of an installation. */
export interface ObservedGroups {
  readonly groups: readonly ObservedGroup[]
  /** Groups of the installation itself without any of a VM. */
  readonly emptyParents: readonly string[]
}

/** Reads the groups in every hierarchy there is. */
export async function observeGroups({ names }: Pick<Place, 'names'>, root = cgroupRoot): Promise<ObservedGroups> {
  const groups: ObservedGroup[] = []
  const emptyParents: string[] = []
  // Hierarchies may have two names, of which one is a link.
  const mounted = await Promise.all((await directoriesIn(root)).map((name) => realpath(join(root, name))))
  for (const hierarchy of new Set([root, ...mounted])) {
    const parent = join(hierarchy, `alcove-${names.installId}`)
    const children = await directoriesIn(parent).catch(() => undefined)
    if (children?.length === 0) emptyParents.push(parent)
    for (const name of children ?? []) {
      const path = join(parent, name)
      // One that is removed at this moment is none.
      const procs = await readFile(join(path, 'cgroup.procs'), 'utf8').catch(() => undefined)
      if (procs !== undefined) groups.push({ path, hierarchy, name, processes: procs.split('\n').filter(Boolean).length })
    }
  }
  return { groups, emptyParents }
}

async function directoriesIn(path: string): Promise<string[]> {
  const entries = await readdir(path, { withFileTypes: true })
  return entries.filter((entry) => entry.isDirectory() || entry.isSymbolicLink()).map(({ name }) => name)
}

/** Compares them with the rows. */
export function compareGroups(known: Known, { groups, emptyParents }: ObservedGroups): Judgement {
  const { findings, add } = notes('N6')
  for (const group of groups) {
    const message = mistakeOf(known, group)
    const remedy = group.processes > 0 ? 'end its processes, then remove it' : `rmdir ${group.path}`
    if (message !== undefined) add(`group ${group.path}`, message, remedy, { processes: group.processes })
  }
  const hierarchies = new Set(groups.map(({ hierarchy }) => hierarchy))
  for (const { id, boot_id: bootId } of known.running) {
    for (const hierarchy of hierarchies) {
      if (groups.some((group) => group.hierarchy === hierarchy && group.name === `${id}-${bootId}`)) continue
      add(`group of ${id} in ${hierarchy}`, 'It is missing: the limits of the virtual machine do not hold.', `restart ${id}`)
    }
  }
  const mayBeMade = known.rows.workspaces.some(({ id }) => known.vm(id) !== 'none')
  for (const path of mayBeMade ? [] : emptyParents) add(`group ${path}`, 'It is empty, and no virtual machine is left.', `rmdir ${path}`)
  return { findings, checked: { groups: groups.length } }
}

function mistakeOf(known: Known, { name, processes }: ObservedGroup): string | undefined {
  const [, id, bootId] = /^(ws_[a-z0-9]+)-(boot_[a-z0-9]+)$/.exec(name) ?? []
  if (id === undefined) return 'It names no boot of a workspace.'
  if (known.vm(id) === 'none') return `It is there, but ${known.describe(id)}.`
  if (known.vm(id) === 'may') return undefined
  if (known.row(id)?.boot_id !== bootId) return `It is of another boot than ${id} runs.`
  return processes === 0 ? `The virtual machine of ${id} is not in it: its limits do not hold.` : undefined
}
