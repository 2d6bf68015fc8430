import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import { plainStep } from '../lib/step.ts'
import { run } from '../lib/subprocess.ts'
import { createDiskStore } from './disk-store.ts'

const mib = 1024 * 1024

async function scratch(t: TestContext) {
  const directory = await mkdtemp(join(tmpdir(), 'alcove-disks-'))
  t.after(() => rm(directory, { recursive: true }))
  return { directory, disks: createDiskStore({ seedDir: join(directory, 'seeds'), step: plainStep }), path: join(directory, 'disk.raw') }
}

for (const sizeMib of [64, 512, 2048, 204_800]) {
  test(`a new disk of ${sizeMib} MiB takes next to no room and grows to its whole size`, async (t) => {
    const { disks, path } = await scratch(t)
    await disks.ensure(path, sizeMib * mib)
    const { size, blocks } = await stat(path)
    assert.equal(size, sizeMib * mib)
    assert.ok(blocks * 512 < mib, `${blocks * 512} bytes allocated`)
    await run(['e2fsck', '-fn', path])
    await run(['resize2fs', '-f', path])
    await run(['e2fsck', '-fn', path])
    assert.match(await run(['dumpe2fs', '-h', path]), new RegExp(`Block count: +${(sizeMib * mib) / 4096}\n`))
  })
}

test('a small disk can later grow to the largest size', async (t) => {
  const { disks, path } = await scratch(t)
  await disks.ensure(path, 64 * mib)
  assert.match(await run(['dumpe2fs', '-h', path]), /Reserved GDT blocks: +12\n/)
  await disks.ensure(path, 204_800 * mib)
  await run(['e2fsck', '-fn', path])
  await run(['resize2fs', '-f', path])
  await run(['e2fsck', '-fn', path])
})

test('ensure keeps the content of a disk and never makes it smaller', async (t) => {
  const { disks, path } = await scratch(t)
  await writeFile(path, 'content of the owner')
  await disks.ensure(path, 64 * mib)
  await disks.ensure(path, 32 * mib)
  assert.equal((await stat(path)).size, 64 * mib)
  assert.match(await run(['head', '-c', '20', path]), /^content of the owner$/)
})

test('what an interrupted create left is replaced', async (t) => {
  const { directory, disks, path } = await scratch(t)
  await writeFile(`${path}.new`, 'half a disk')
  await disks.ensure(path, 64 * mib)
  await run(['e2fsck', '-fn', path])
  assert.deepEqual((await readdir(directory)).sort(), ['disk.raw', 'seeds'])
})

test('a link or a directory in the place of a disk is refused', async (t) => {
  const { directory, disks, path } = await scratch(t)
  await symlink('/etc/passwd', path)
  await assert.rejects(disks.ensure(path, 64 * mib), /not a regular file/)
  await mkdir(join(directory, 'other'))
  await assert.rejects(disks.ensure(join(directory, 'other'), 64 * mib), /not a regular file/)
})

test('stores that start at once agree on the seed', async (t) => {
  const { directory } = await scratch(t)
  const stores = Array.from({ length: 4 }, () => createDiskStore({ seedDir: join(directory, 'seeds'), step: plainStep }))
  await Promise.all(stores.map((disks, index) => disks.ensure(join(directory, `${index}.raw`), 64 * mib)))
  for (const index of stores.keys()) await run(['e2fsck', '-fn', join(directory, `${index}.raw`)])
  assert.deepEqual(await readdir(join(directory, 'seeds')), ['ext4-1-small.img'])
})
