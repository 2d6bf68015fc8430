import assert from 'node:assert/strict'
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { loadCatalogue } from './catalogue.ts'
import { imageKey } from './image-key.ts'

const shipped = fileURLToPath(new URL('../../../../guest/images', import.meta.url))

test('whatever decides the content of an image changes its key, and nothing else does', async (t) => {
  const recipes = await mkdtemp(join(tmpdir(), 'alcove-key-'))
  t.after(() => rm(recipes, { recursive: true }))
  await cp(shipped, recipes, { recursive: true })
  const [busybox] = (await loadCatalogue(join(recipes, 'catalogue.json'))).images
  assert.ok(busybox)
  const hostFile = join(recipes, 'host-file')
  await writeFile(hostFile, 'one')
  const entry = { ...busybox, recipe: { ...busybox.recipe, hostFiles: [hostFile] } }

  const key = await imageKey(entry, recipes)
  assert.match(key, /^busybox-[0-9a-f]{24}$/)
  assert.equal(await imageKey({ ...entry, label: 'other', recipe: { ...entry.recipe, timeoutSeconds: 1 } }, recipes), key)
  await writeFile(join(recipes, 'debian', 'packages'), 'another recipe')
  assert.equal(await imageKey(entry, recipes), key)

  const keys = new Set([key])
  keys.add(await imageKey({ ...entry, recipe: { ...entry.recipe, args: ['x'] } }, recipes))
  keys.add(await imageKey({ ...entry, config: { ...entry.config, User: 'nobody' } }, recipes))
  await writeFile(hostFile, 'two')
  keys.add(await imageKey(entry, recipes))
  await writeFile(join(recipes, 'busybox', 'extra'), '')
  keys.add(await imageKey(entry, recipes))
  await writeFile(join(recipes, 'build'), '')
  keys.add(await imageKey(entry, recipes))
  assert.equal(keys.size, 6)
})
