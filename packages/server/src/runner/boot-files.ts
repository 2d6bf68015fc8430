/**
 * Kernel and initramfs of the VMs. The build leaves them in a cache that only its owner can read; VMs run as other users and may
 * outlive a rebuild, so the daemon keeps its own copies, named by content.
 */
import { createHash } from 'node:crypto'
import { constants, createReadStream } from 'node:fs'
import { chmod, copyFile, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import Type from 'typebox'
import { Compile } from 'typebox/compile'
import { fail } from '../lib/fail.ts'
import { ensureDirectory, syncDirectory, syncFile } from '../lib/files.ts'
import { once } from '../lib/once.ts'
import type { Step } from '../lib/step.ts'

/** Paths that every VM user can read. */
export interface BootFiles {
  readonly kernelPath: string
  readonly initrdPath: string
}

const Artifacts = Compile(Type.Object({ version: Type.Literal(1), kernel: Type.String(), initrd: Type.String() }))

/** Makes a function that returns the boot files, copying them on first use. @throws VM_UNAVAILABLE when they have not been built */
export function createBootFiles({ artifactsPath, dataDir, step }: { artifactsPath: string; dataDir: string; step: Step }): () => Promise<BootFiles> {
  // A failure is tried again: the files may be built while the daemon runs.
  return once(() =>
    install(artifactsPath, join(dataDir, 'boot'), step).catch((error) => {
      if (error.code === 'ENOSPC') fail('storage_full', { message: `The host has no room left for the guest kernel in ${dataDir}.`, cause: error })
      // Callers are told nothing of the host's files; the log has the cause.
      return fail('VM_UNAVAILABLE', {
        message: 'The guest kernel or agent is missing on the host. Run script/bootstrap there; alcove doctor says more.',
        cause: error,
      })
    }),
  )
}

/** Reads where the build left kernel and initramfs. @throws Error saying what is wrong with the file */
export async function readArtifacts(path: string): Promise<{ kernel: string; initrd: string }> {
  const artifacts: unknown = JSON.parse(await readFile(path, 'utf8'))
  if (!Artifacts.Check(artifacts)) throw new Error(`${path} is not of a version this server knows`)
  return artifacts
}

async function install(artifactsPath: string, directory: string, step: Step): Promise<BootFiles> {
  const artifacts = await readArtifacts(artifactsPath)
  await ensureDirectory(directory, 0o755)
  const files = {
    kernelPath: await step('bootfiles.kernel', () => copyByContent(artifacts.kernel, directory, 'kernel')),
    initrdPath: await step('bootfiles.initrd', () => copyByContent(artifacts.initrd, directory, 'initrd')),
  }
  await step('bootfiles.collect', () => removeOthers(directory, [files.kernelPath, files.initrdPath]))
  return files
}

/** Removes the copies of earlier builds and what a cut-off copy left; a VM reads its files once, at its launch. */
async function removeOthers(directory: string, keep: readonly string[]): Promise<void> {
  for (const name of await readdir(directory)) {
    const path = join(directory, name)
    if (!keep.includes(path)) await rm(path, { force: true })
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
  // Before it has its name: a file of the right size and no content would pass for good after a power cut.
  const file = await open(partial, 'r')
  try {
    await syncFile(file, partial)
  } finally {
    await file.close()
  }
  await rename(partial, path)
  await syncDirectory(directory)
  return path
}
