import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { loadCatalogue } from './catalogue.ts'

const shipped = fileURLToPath(new URL('../../../../guest/images/catalogue.json', import.meta.url))

test('the catalogue that is shipped holds the promised images', async () => {
  const { images } = await loadCatalogue(shipped)
  assert.deepEqual(
    images.map(({ id }) => id),
    ['busybox', 'debian-12', 'node-20', 'node-22', 'python-3.11'],
  )
  for (const { config } of images) assert.ok(config.Env.some((entry) => entry.startsWith('PATH=')))
})

test('a mistake in the catalogue is reported with its place', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'alcove-catalogue-'))
  t.after(() => rm(directory, { recursive: true }))
  const path = join(directory, 'catalogue.json')
  const good = await loadCatalogue(shipped)
  const [first] = good.images
  assert.ok(first)
  const mistakes: [unknown, RegExp][] = [
    [{ ...good, images: [{ ...first, id: '../x' }] }, /images\/0\/id/],
    [{ ...good, images: [first, first] }, /'busybox' names two images/],
    [{ ...good, images: [{ ...first, category: 'nowhere' }] }, /unknown category 'nowhere'/],
    [{ ...good, version: 2 }, /version/],
  ]
  for (const [content, expected] of mistakes) {
    await writeFile(path, JSON.stringify(content))
    await assert.rejects(loadCatalogue(path), expected)
  }
})
