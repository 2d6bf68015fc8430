/** N8: every image that a row or a name of the catalogue stands for is there, whole. What nobody uses is collected hourly, so it is only counted. */
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { hashFile, imageDigest, imageFiles } from '../image/digest.ts'
import { createObjectStore } from '../image/object-store.ts'
import { plainStep } from '../lib/step.ts'
import { type Judgement, notes } from './finding.ts'
import type { Known } from './known.ts'
import type { Place } from './place.ts'

/** Images of a data directory. */
export interface ObservedImages {
  /** Objects by digest; what is wrong with each, or `undefined`. */
  readonly objects: ReadonlyMap<string, string | undefined>
  /** Digest of each name of the catalogue; `undefined` for a file nobody can read. */
  readonly pointers: ReadonlyMap<string, string | undefined>
  /** Copies of kernel and initramfs whose content is not that of their name. */
  readonly damagedBootFiles: readonly string[]
  readonly bootFiles: number
}

/** Reads the images, whole unless `hashImages` is off. */
export async function observeImages({ dataDir, hashImages }: Pick<Place, 'dataDir' | 'hashImages'>): Promise<ObservedImages> {
  const root = join(dataDir, 'images')
  const store = createObjectStore({ root, step: plainStep })
  const objects = new Map<string, string | undefined>()
  for (const name of await namesIn(join(root, 'objects'))) {
    if (!/^[0-9a-f]{64}$/.test(name)) continue
    const directory = join(root, 'objects', name)
    const mistake = await mistakeIn(directory, `sha256:${name}`, hashImages)
    // An object that is removed at this moment is none.
    if (mistake === undefined || (await isThere(directory))) objects.set(`sha256:${name}`, mistake)
  }
  const pointers = new Map<string, string | undefined>()
  for (const file of await namesIn(join(root, 'catalogue'))) {
    if (!file.endsWith('.json')) continue
    const imageId = file.slice(0, -'.json'.length)
    pointers.set(imageId, (await store.pointer(imageId))?.digest)
  }
  const bootFiles = (await namesIn(join(dataDir, 'boot'))).filter((name) => /^[a-z]+-[0-9a-f]{32}$/.test(name))
  const damaged = await Promise.all(bootFiles.map(async (name) => ((await isWhole(join(dataDir, 'boot', name), name)) ? [] : [name])))
  return { objects, pointers, damagedBootFiles: damaged.flat(), bootFiles: bootFiles.length }
}

async function mistakeIn(directory: string, digest: string, hashImages: boolean): Promise<string | undefined> {
  const there = await namesIn(directory)
  const missing = imageFiles.filter((file) => !there.includes(file))
  if (missing.length > 0) return `${missing.join(' and ')} missing`
  if (!hashImages) return undefined
  const actual = await imageDigest(directory).catch((error: NodeJS.ErrnoException) => `unreadable (${error.code})`)
  return actual === digest ? undefined : `its content is ${actual}`
}

async function isWhole(path: string, name: string): Promise<boolean> {
  // A newer copy may have taken its place.
  const found = await hashFile(path).catch(() => undefined)
  return found === undefined || name.endsWith(`-${found.slice(0, 32)}`)
}

async function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return []
    throw error
  })
}

async function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

/** Compares them with the rows. */
export function compareImages(known: Known, { objects, pointers, damagedBootFiles, bootFiles }: ObservedImages): Judgement {
  const { findings, add } = notes('N8')
  const rebuild = 'remove the object; a daemon that starts anew builds the image again if its recipe is the same'
  for (const [digest, mistake] of objects) if (mistake !== undefined) add(`image ${digest}`, `It is damaged: ${mistake}.`, rebuild)
  const named = new Set(pointers.values())
  for (const [imageId, digest] of pointers) {
    if (digest === undefined) add(`name ${imageId}`, 'Its file cannot be read.', 'the next build of the image writes it anew')
    else if (!objects.has(digest)) add(`name ${imageId}`, `It stands for ${digest}, which is not there.`, rebuild, { digest })
  }
  for (const { id, image_digest: digest } of known.steady) {
    if (digest === null) continue
    named.add(digest)
    if (!objects.has(digest))
      add(`image of ${id}`, `Its image ${digest} is not there: it cannot start again.`, 'build the same image again, or delete the workspace', { digest })
  }
  for (const name of damagedBootFiles) add(`boot/${name}`, 'Its content is not that of its name.', 'remove it and restart the daemon')
  const unreferenced = [...objects.keys()].filter((digest) => !named.has(digest)).length
  return { findings, checked: { images: objects.size, names: pointers.size, unreferenced, bootFiles } }
}
