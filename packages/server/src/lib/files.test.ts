import assert from 'node:assert/strict'
import { mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { syncFile, writeFileDurably } from './files.ts'

test('a file is replaced as a whole, and a write that fails leaves the old one and nothing else', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'files-'))
  t.after(() => rm(directory, { recursive: true }))
  const path = join(directory, 'state.json')
  await writeFileDurably(path, 'old')
  await writeFileDurably(path, 'new')
  await assert.rejects(writeFileDurably(path, Symbol('not content') as never))
  assert.equal(await readFile(path, 'utf8'), 'new')
  assert.deepEqual(await readdir(directory), ['state.json'])
})

test('an fsync that fails for another reason than the device is an error as any other', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'files-'))
  t.after(() => rm(directory, { recursive: true }))
  const file = await open(join(directory, 'x'), 'w')
  await file.close()
  await assert.rejects(syncFile(file, 'x'), { code: 'EBADF' })
})
