/**
 * Kernel and initramfs of the VMs. The build leaves them in a cache that only its owner can read; VMs run as other users and may
 * outlive a rebuild, so the daemon keeps its own copies, named by content.
 */
import { createHash } from 'node:crypto'
import { constants, createReadStream } from 'node:fs'
import { chmod, copyFile, readFile, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import Type from 'typebox'
import { Compile } from 'typebox/compile'
import { fail, messageOf } from '../lib/fail.ts'
import { ensureDirectory, syncDirectory } from '../lib/files.ts'
import type { Step } from '../lib/step.ts'

/** Paths that every VM user can read. */
export interface BootFiles {
  readonly kernelPath: string
  readonly initrdPath: string
}

const Artifacts = Compile(Type.Object({ version: Type.Literal(1), kernel: Type.String(), initrd: Type.String() }))

/** Makes a function that returns the boot files, copying them on first use. @throws VM_UNAVAILABLE when they have not been built */
export function createBootFiles({ artifactsPath, dataDir, step }: { artifactsPath: string; dataDir: string; step: Step }): () => Promise<BootFiles> {
  let ready: Promise<BootFiles> | undefined
  return () => {
    // A failure is not kept: the files may be built while the daemon runs.
    ready ??= install(artifactsPath, join(dataDir, 'boot'), step).catch((error) => {
      ready = undefined
      return fail('VM_UNAVAILABLE', { message: `The guest kernel or agent is missing (${messageOf(error)}). Run script/bootstrap on this host.`, cause: error })
    })
    return ready
  }
}

async function install(artifactsPath: string, directory: string, step: Step): Promise<BootFiles> {
  const artifacts: unknown = JSON.parse(await readFile(artifactsPath, 'utf8'))
  if (!Artifacts.Check(artifacts)) throw new Error(`${artifactsPath} is not of a version this server knows`)
  await ensureDirectory(directory, 0o755)
  return {
    kernelPath: await step('bootfiles.kernel', () => copyByContent(artifacts.kernel, directory, 'kernel')),
    initrdPath: await step('bootfiles.initrd', () => copyByContent(artifacts.initrd, directory, 'initrd')),
  }
}

async function copyByContent(source: string, directory: string, kind: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(source), hash)
  const path = join(directory, `${kind}-${hash.digest('hex').slice(0, 32)}`)
  const there = await stat(path).catch(() => undefined)
  if (there?.size === (await stat(source)).size) return path
  const partial = `${path}.${process.pid}.partial`
  await copyFile(source, partial, constants.COPYFILE_FICLONE)
  await chmod(partial, 0o644)
  await rename(partial, path)
  await syncDirectory(directory)
  return path
}
