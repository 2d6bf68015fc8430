/**
 * The images of one data directory: immutable objects named by their digest, and one pointer file per catalogue image.
 *   objects/<64 hex>/{rootfs.erofs,config.json}   catalogue/<image id>.json
 */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { chmod, copyFile, link, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import Type, { type Static } from 'typebox'
import Value from 'typebox/value'
import { ensureDirectory, findFile, syncDirectory, syncFile, writeFileDurably } from '../lib/files.ts'
import type { Step } from '../lib/step.ts'
import { ImageConfigSchema } from './catalogue.ts'
import { digestOfSums, imageDigest, imageFiles } from './digest.ts'
import type { ImageObject } from './images.ts'

const Pointer = Type.Object({ version: Type.Literal(1), key: Type.String(), digest: Type.String({ pattern: '^sha256:[0-9a-f]{64}$' }) })

/** What a pointer file says: the digest an image id stands for, and the cache key it was built under. */
export type Pointer = Static<typeof Pointer>

/** Objects and pointers of one data directory. */
export interface ObjectStore {
  /** The object of a digest; `undefined` when it is not there or is damaged. Its content is hashed once per process. */
  find(digest: string): Promise<ImageObject | undefined>
  /** Size of the root file system of an object, bytes, without looking inside. */
  size(digest: string): Promise<number | undefined>
  /** Takes over the image in `directory`. Returns its digest, or `undefined` when its content does not match its `SHA256SUMS`. */
  add(directory: string): Promise<string | undefined>
  pointer(imageId: string): Promise<Pointer | undefined>
  point(imageId: string, pointer: Omit<Pointer, 'version'>): Promise<void>
  /** Removes pointers of other images than `imageIds`, left-overs, and objects that neither `inUse` nor a pointer names. */
  collect(inUse: ReadonlySet<string>, imageIds: ReadonlySet<string>): Promise<void>
}

/** Opens the objects below `root`. One process at a time may have a data directory open. */
export function createObjectStore({ root, step }: { readonly root: string; readonly step: Step }): ObjectStore {
  const objects = join(root, 'objects')
  const pointers = join(root, 'catalogue')
  const verified = new Map<string, Promise<boolean>>()
  const pathOf = (digest: string) => join(objects, digest.slice('sha256:'.length))
  const pointerPath = (imageId: string) => join(pointers, `${imageId}.json`)

  /** Whether the content matches; remembered only while it does. */
  function verify(digest: string): Promise<boolean> {
    const known = verified.get(digest)
    if (known) return known
    const asked = imageDigest(pathOf(digest)).then((actual) => actual === digest, damagedIfMissing)
    verified.set(digest, asked)
    const forget = () => verified.delete(digest)
    asked.then((isIntact) => isIntact || forget(), forget)
    return asked
  }

  async function sizeOf(digest: string): Promise<number | undefined> {
    return ((await stat(join(pathOf(digest), 'rootfs.erofs')).catch(damagedIfMissing)) || undefined)?.size
  }

  async function pointer(imageId: string): Promise<Pointer | undefined> {
    const text = await findFile(pointerPath(imageId))
    try {
      return text === undefined ? undefined : Value.Parse(Pointer, JSON.parse(text))
    } catch {
      // A pointer nobody can read points nowhere; the next build writes it anew.
      return undefined
    }
  }

  /** Removes by one rename first, so that nobody finds half an object. */
  async function removeObject(name: string): Promise<void> {
    const gone = join(objects, `.gone-${name}`)
    await step('image.object.remove', async () => {
      await rm(gone, { recursive: true, force: true })
      await rename(join(objects, name), gone)
      await rm(gone, { recursive: true, force: true })
    })
    verified.delete(`sha256:${name}`)
  }

  return {
    async find(digest) {
      const sizeBytes = await sizeOf(digest)
      if (sizeBytes === undefined || !(await verify(digest))) {
        verified.delete(digest)
        return undefined
      }
      const directory = pathOf(digest)
      const config = Value.Parse(ImageConfigSchema, JSON.parse(await readFile(join(directory, 'config.json'), 'utf8')))
      return { digest, rootfsPath: join(directory, 'rootfs.erofs'), config, sizeBytes }
    },
    size: sizeOf,
    async add(directory) {
      const sums = (await findFile(join(directory, 'SHA256SUMS'))) ?? ''
      const digest = digestOfSums(sums)
      // Others than root read the root file system: the process of the VM.
      for (const path of [root, objects]) await ensureDirectory(path, 0o755)
      const temporary = join(objects, `.adding-${randomBytes(6).toString('hex')}`)
      try {
        await step('image.object.add', async () => {
          await mkdir(temporary, { mode: 0o755 })
          for (const file of imageFiles) await linkOrCopy(join(directory, file), join(temporary, file))
          await syncDirectory(temporary)
        })
        if ((await imageDigest(temporary)) !== digest) return undefined
        // An object of that name is there and damaged, or add would not have been called.
        if ((await sizeOf(digest)) !== undefined) await removeObject(digest.slice('sha256:'.length))
        await step('image.object.publish', async () => {
          await rename(temporary, pathOf(digest))
          await syncDirectory(objects)
        })
      } catch (error) {
        // A file of the entry is missing.
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
        throw error
      } finally {
        await rm(temporary, { recursive: true, force: true })
      }
      verified.set(digest, Promise.resolve(true))
      return digest
    },
    pointer,
    async point(imageId, target) {
      await ensureDirectory(pointers, 0o755)
      await step('image.pointer.write', () => writeFileDurably(pointerPath(imageId), `${JSON.stringify({ version: 1, ...target })}\n`))
    },
    async collect(inUse, imageIds) {
      const keep = new Set(inUse)
      for (const file of await namesIn(pointers)) {
        const imageId = file.replace(/\.json$/, '')
        if (!imageIds.has(imageId)) await step('image.pointer.remove', () => rm(join(pointers, file), { force: true }))
        const target = await pointer(imageId)
        if (target) keep.add(target.digest)
      }
      for (const name of await namesIn(objects)) {
        if (name.startsWith('.')) await step('image.object.collect', () => rm(join(objects, name), { recursive: true, force: true }))
        else if (!keep.has(`sha256:${name}`)) await removeObject(name)
      }
    },
  }
}

/** Gives `to` the content of `from`: the same inode (it is immutable, and shares the host's page cache), else a copy. */
async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to)
  } catch (error) {
    if (!['EXDEV', 'EMLINK', 'EPERM', 'EOPNOTSUPP'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    await copyFile(from, to, constants.COPYFILE_FICLONE | constants.COPYFILE_EXCL)
  }
  await chmod(to, 0o444)
  const file = await open(to, 'r')
  try {
    await syncFile(file, to)
  } finally {
    await file.close()
  }
}

async function namesIn(directory: string): Promise<string[]> {
  return (await readdir(directory).catch(damagedIfMissing)) || []
}

function damagedIfMissing(error: unknown): false {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  return false
}
