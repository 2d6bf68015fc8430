import assert from 'node:assert/strict'
import test from 'node:test'
import { readFreeDisk, refuseWithoutDisk } from './host-capacity.ts'

test('a boot is refused while less than the mark is free, and only then', async () => {
  await assert.rejects(
    refuseWithoutDisk(async () => 511, 512),
    (error: Error & { code?: string }) => error.code === 'storage_full' && /has 511 MiB left; 512 are kept/.test(error.message),
  )
  await refuseWithoutDisk(async () => 512, 512)
  await refuseWithoutDisk(async () => 0, 0)
})

test('what a file system has left is read in MiB; one that counts no files is not full for that', async () => {
  assert.ok((await readFreeDisk('/')) > 0)
  // proc has neither blocks nor files.
  assert.equal(await readFreeDisk('/proc'), 0)
})
