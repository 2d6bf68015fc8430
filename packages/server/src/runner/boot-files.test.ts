import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { AlcoveError } from '../lib/fail.ts'
import { createBootFiles, readArtifacts } from './boot-files.ts'

test('a missing or foreign build is told to the host, and to callers without a path of the host', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'alcove-boot-files-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
  const artifactsPath = join(directory, 'artifacts.json')
  const bootFiles = createBootFiles({ artifactsPath, dataDir: directory, step: (_name, run) => run() })
  const isHidden = (error: unknown) => {
    assert.ok(error instanceof AlcoveError && error.cause !== undefined)
    assert.deepEqual([error.code, error.message.includes(directory)], ['VM_UNAVAILABLE', false])
    return true
  }
  await assert.rejects(bootFiles(), isHidden)
  await writeFile(artifactsPath, '{"kernel":"/k","initrd":"/i"}')
  await assert.rejects(bootFiles(), isHidden)
  await assert.rejects(readArtifacts(artifactsPath), /artifacts\.json is not of a version this server knows/)

  await writeFile(join(directory, 'k'), 'kernel')
  await writeFile(join(directory, 'i'), 'initrd')
  await writeFile(artifactsPath, JSON.stringify({ version: 1, kernel: join(directory, 'k'), initrd: join(directory, 'i') }))
  const { kernelPath, initrdPath } = await bootFiles()
  assert.ok(kernelPath.startsWith(join(directory, 'boot/')) && initrdPath !== kernelPath, 'a later build is taken up without a restart')
})
