/** Image stores for tests: a data directory of their own, and recipes of their own where a test needs a build that is slow, fails or fills the disk. */
import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type Catalogue, type CatalogueEntry, loadCatalogue } from '../../packages/server/src/image/catalogue.ts'
import { createImageStore } from '../../packages/server/src/image/image-store.ts'
import { systemClock } from '../../packages/server/src/lib/clock.ts'
import { createLogger } from '../../packages/server/src/lib/log.ts'
import { plainStep } from '../../packages/server/src/lib/step.ts'

/** Directory of the shipped recipes. */
export const shippedRecipes = fileURLToPath(new URL('../../guest/images', import.meta.url))

/** The image cache that `script/bootstrap` fills; shared by all tests, so that a large image is built once. */
export const sharedImageCache = join(process.env.ALCOVE_CACHE_DIR ?? join(homedir(), '.cache/alcove'), 'images')

/** A directory that the test removes at its end. */
export async function scratchDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'alcove-images-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  return directory
}

/** Opens a store with the shipped catalogue, or with `given` recipes. */
export async function openImageStore(root: string, cacheDir: string, given?: { readonly recipesDir: string; readonly catalogue: Catalogue }) {
  const { recipesDir, catalogue } = given ?? { recipesDir: shippedRecipes, catalogue: await loadCatalogue(join(shippedRecipes, 'catalogue.json')) }
  return createImageStore({ root, cacheDir, recipesDir, catalogue, step: plainStep, clock: systemClock, log: createLogger('silent') })
}

/** Recipes of a test: image ids with the shell script that fills `$1` and may keep downloads in `$2`. */
export async function writeRecipes(recipesDir: string, scripts: Readonly<Record<string, string>>): Promise<{ recipesDir: string; catalogue: Catalogue }> {
  await mkdir(recipesDir, { recursive: true })
  await copyFile(join(shippedRecipes, 'build'), join(recipesDir, 'build'))
  const images: CatalogueEntry[] = []
  for (const [id, script] of Object.entries(scripts)) {
    const path = join(recipesDir, id, 'build')
    await mkdir(join(recipesDir, id))
    await writeFile(path, `#!/bin/sh\nset -e\n${script}\n`)
    await chmod(path, 0o755)
    images.push({
      ...{ id, image: `test/${id}`, label: id, desc: '', category: 'os', capabilities: [] },
      recipe: { name: id, args: [], hostFiles: [], maxMib: 64, freeMib: 1, timeoutSeconds: 60 },
      config: { Env: [], Cmd: [], Entrypoint: [], WorkingDir: '/', User: 'root' },
    })
  }
  return { recipesDir, catalogue: { version: 1, categories: [{ id: 'os', label: 'Systems' }], images } }
}
