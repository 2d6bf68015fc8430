import assert from 'node:assert/strict'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { removeRecord } from './record.ts'

test('what a write of the record left that was cut off goes with the record, and nothing else does', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'alcove-record-'))
  t.after(() => rm(directory, { recursive: true }))
  for (const name of ['handle.json', 'handle.json.080c721a.tmp', 'disk.ext4', 'other.json.080c721a.tmp']) await writeFile(join(directory, name), '')
  await removeRecord(join(directory, 'handle.json'))
  assert.deepEqual((await readdir(directory)).toSorted(), ['disk.ext4', 'other.json.080c721a.tmp'])
  await removeRecord(join(directory, 'handle.json'))
  await removeRecord(join(directory, 'gone', 'handle.json'))
})
