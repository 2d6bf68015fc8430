/** The name of a built image in the cache: a hash of everything that decides its content. */
import { createHash } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { runAny } from '../lib/subprocess.ts'
import type { CatalogueEntry } from './catalogue.ts'
import { hashFile } from './digest.ts'

/**
 * Names the cache entry of an image: `busybox-` and 24 hex digits over recipe, arguments, process defaults, host files and packer.
 * What a recipe downloads is not part of it: an image stays as it was built until its recipe changes.
 */
export async function imageKey(entry: CatalogueEntry, recipesDir: string): Promise<string> {
  const { name, args, hostFiles } = entry.recipe
  const files = [join(recipesDir, 'build'), ...(await filesBelow(join(recipesDir, name)))]
  const sources = await Promise.all(files.map(async (path) => [relative(recipesDir, path), await hashFile(path)]))
  const host = await Promise.all(hostFiles.map(async (path) => [path, await hashFile(path)]))
  // Version 1.5 prints its version and then calls the option unknown.
  const packer = (await runAny(['mkfs.erofs', '--version'])).stdout.trim()
  const inputs = JSON.stringify({ format: 1, name, args, config: entry.config, sources, host, packer })
  return `${entry.id}-${createHash('sha256').update(inputs).digest('hex').slice(0, 24)}`
}

async function filesBelow(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true, recursive: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort()
}
