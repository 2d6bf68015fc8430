import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, mkdtemp, readdir, rm, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { plainStep } from '../lib/step.ts'
import { createObjectStore } from './object-store.ts'

const config = JSON.stringify({ Env: ['A=1'], Cmd: [], Entrypoint: [], WorkingDir: '/', User: 'root' })

async function scratch(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'alcove-objects-'))
  t.after(() => rm(directory, { recursive: true }))
  return directory
}

async function builtImage(directory: string, content: string): Promise<string> {
  const path = join(directory, `built-${content}`)
  await mkdir(path)
  const sum = (text: string) => createHash('sha256').update(text).digest('hex')
  await writeFile(join(path, 'rootfs.erofs'), content)
  await writeFile(join(path, 'config.json'), config)
  await writeFile(join(path, 'SHA256SUMS'), `${sum(content)}  rootfs.erofs\n${sum(config)}  config.json\n`)
  return path
}

test('an added image is found by its digest, also by the next process', async (t) => {
  const directory = await scratch(t)
  const root = join(directory, 'images')
  const digest = await createObjectStore({ root, step: plainStep }).add(await builtImage(directory, 'one'))
  assert.ok(digest)
  const found = await createObjectStore({ root, step: plainStep }).find(digest)
  assert.equal(found?.sizeBytes, 3)
  assert.deepEqual(found?.config.Env, ['A=1'])
})

test('an image that does not match its sums is not taken over and leaves nothing', async (t) => {
  const directory = await scratch(t)
  const store = createObjectStore({ root: join(directory, 'images'), step: plainStep })
  for (const file of ['rootfs.erofs', 'config.json', 'SHA256SUMS']) {
    const built = await builtImage(directory, file)
    await writeFile(join(built, file), 'damaged')
    assert.equal(await store.add(built), undefined)
    await unlink(join(built, file))
    assert.equal(await store.add(built), undefined)
  }
  assert.deepEqual(await readdir(join(directory, 'images', 'objects')), [])
})

test('a damaged object is not found, and is replaced when it is added again', async (t) => {
  const directory = await scratch(t)
  const root = join(directory, 'images')
  const built = await builtImage(directory, 'good')
  const digest = await createObjectStore({ root, step: plainStep }).add(built)
  assert.ok(digest)
  const path = (await createObjectStore({ root, step: plainStep }).find(digest))?.rootfsPath ?? ''
  // Same length, another inode: the cache entry stays intact.
  await rm(path)
  await writeFile(path, 'evil')
  const store = createObjectStore({ root, step: plainStep })
  assert.equal(await store.find(digest), undefined)
  assert.equal(await store.add(built), digest)
  assert.equal((await store.find(digest))?.sizeBytes, 4)
  await rm(dirname(path), { recursive: true })
  assert.equal(await store.find(digest), undefined)
})

test('collect keeps what is in use or pointed to and removes the rest', async (t) => {
  const directory = await scratch(t)
  const root = join(directory, 'images')
  const store = createObjectStore({ root, step: plainStep })
  const digests: string[] = []
  for (const content of ['used', 'pointed', 'loose', 'retired']) digests.push((await store.add(await builtImage(directory, content))) ?? '')
  const [used = '', pointed = '', loose = '', retired = ''] = digests
  await store.point('known', { key: 'k', digest: pointed })
  await store.point('unknown', { key: 'k', digest: retired })
  await mkdir(join(root, 'objects', '.adding-left'))

  await store.collect(new Set([used]), new Set(['known']))
  assert.ok(await store.find(used))
  assert.ok(await store.find(pointed))
  assert.equal(await store.find(loose), undefined)
  assert.equal(await store.find(retired), undefined)
  assert.equal((await readdir(join(root, 'objects'))).length, 2)
  assert.deepEqual(await readdir(join(root, 'catalogue')), ['known.json'])
})

test('a pointer that cannot be read points nowhere', async (t) => {
  const root = join(await scratch(t), 'images')
  const store = createObjectStore({ root, step: plainStep })
  await store.point('a', { key: 'k', digest: `sha256:${'0'.repeat(64)}` })
  assert.equal((await store.pointer('a'))?.key, 'k')
  for (const content of ['', '{"version":1', '{"version":9,"key":"k","digest":"x"}']) {
    await writeFile(join(root, 'catalogue', 'a.json'), content)
    assert.equal(await store.pointer('a'), undefined)
  }
})
