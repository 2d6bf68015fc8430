/** Where `script/bootstrap` put what the tests boot. */
import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** Paths of the built artefacts. */
export interface Artifacts {
  readonly kernel: string
  readonly initrd: string
  /** Image directories or files by catalogue id, where some were built. */
  readonly images?: Readonly<Record<string, unknown>>
}

/** Reads the list that bootstrap left. @throws when it is missing: run `script/bootstrap` */
export async function readArtifacts(): Promise<Artifacts> {
  const path = join(homedir(), '.cache/alcove/artifacts.json')
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    throw new Error(`no ${path}: run script/bootstrap first`, { cause: error })
  }
  const artifacts = JSON.parse(text) as Partial<Artifacts>
  if (typeof artifacts.kernel !== 'string' || typeof artifacts.initrd !== 'string')
    throw new Error(`${path} names no kernel or no initrd: run script/bootstrap`)
  return artifacts as Artifacts
}
