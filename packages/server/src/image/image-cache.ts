/**
 * Images as built, by content of their recipe, shared by every data directory of this host. A build is one script in its own mount and
 * pid namespace that dies with this process and holds a kernel lock while it lives: no owner file to go stale, nothing to clean but files.
 */
import { readdir, rename, rm, stat, statfs } from 'node:fs/promises'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '../lib/clock.ts'
import { AlcoveError, fail, messageOf } from '../lib/fail.ts'
import { ensureDirectory } from '../lib/files.ts'
import type { Logger } from '../lib/log.ts'
import type { Step } from '../lib/step.ts'
import { runAny } from '../lib/subprocess.ts'
import type { CatalogueEntry } from './catalogue.ts'
import { imageKey } from './image-key.ts'
import { onFullDisk, storageFull } from './storage-error.ts'

/** What the cache needs. */
export interface ImageCacheDeps {
  /** Directory of the cache; entries are directories directly below. */
  readonly cacheDir: string
  /** Directory of the recipes and of their common `build` script. */
  readonly recipesDir: string
  readonly step: Step
  readonly clock: Clock
  readonly log: Logger
  /** Extra environment of builds: proxies and settings of the npm client. */
  readonly buildEnv?: Readonly<Record<string, string>>
}

/** The built images of this host. */
export interface ImageCache {
  /** Name of the entry of an image. Hashes the recipe at the first call. */
  key(entry: CatalogueEntry): Promise<string>
  /** Directory of the built image; builds it if it is not there, once however many processes ask. @throws IMAGE_UNAVAILABLE storage_full */
  ensure(entry: CatalogueEntry, onMessage: (message: string) => void): Promise<string>
  /** Takes a damaged entry out of use. */
  discard(key: string): Promise<void>
  /** Removes what dead builds left. */
  collect(): Promise<void>
}

/** Exit code of the build script for a full disk: ENOSPC. */
const exitDiskFull = 28
const basePath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'
// setpriv ends the build with this process, unshare ends everything the build has started with the build.
const confined = ['setpriv', '--pdeathsig', 'KILL', 'unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'] as const

/** Opens the cache. */
export function createImageCache({ cacheDir, recipesDir, step, clock, log, buildEnv = {} }: ImageCacheDeps): ImageCache {
  const keys = new Map<string, Promise<string>>()
  const env = { PATH: basePath, HOME: userInfo().homedir, LC_ALL: 'C', ...buildEnv }

  async function build(entry: CatalogueEntry, path: string, onMessage: (message: string) => void): Promise<void> {
    const { name, args, maxMib, freeMib, timeoutSeconds } = entry.recipe
    await refuseFullDisk(freeMib, entry.id)
    const startedAt = clock.monotonic()
    // The reason of a failure is at the end of what the build printed.
    const lastLines: string[] = []
    const onLine = (line: string) => {
      lastLines.push(line.slice(0, 500))
      if (lastLines.length > 20) lastLines.shift()
      onMessage(line.slice(0, 200))
    }
    const argv = [...confined, join(recipesDir, 'build'), path, name, String(maxMib), ...args] as const
    const input = `${JSON.stringify(entry.config)}\n`
    const result = await runAny([...argv], { input, env, timeoutMs: timeoutSeconds * 1000, maxBytes: 0, onLine }).catch((error: unknown) =>
      unavailable(entry.id, messageOf(error), error),
    )
    if (result.exitCode === exitDiskFull) throw storageFull(`the image ${entry.id}`, lastLines.join('\n'))
    if (result.exitCode !== 0) unavailable(entry.id, lastLines.at(-1) ?? `the build ended with ${result.signal ?? result.exitCode}`, lastLines.join('\n'))
    log.info({ imageId: entry.id, path, durationMs: Math.round(clock.monotonic() - startedAt) }, 'image built')
  }

  async function refuseFullDisk(freeMib: number, imageId: string): Promise<void> {
    const { bavail, bsize } = await statfs(cacheDir)
    if (bavail * bsize < freeMib * 1024 * 1024) throw storageFull(`building the image ${imageId}, which takes ${freeMib} MiB in ${cacheDir}`)
  }

  const cache: ImageCache = {
    key(entry) {
      const known = keys.get(entry.id) ?? imageKey(entry, recipesDir)
      keys.set(entry.id, known)
      // A failure is not an answer to keep.
      known.catch(() => keys.delete(entry.id))
      return known
    },
    async ensure(entry, onMessage) {
      const path = join(cacheDir, await cache.key(entry).catch((error: unknown) => unavailable(entry.id, messageOf(error), error)))
      if (await exists(path)) return path
      await onFullDisk(`the image ${entry.id}`, async () => {
        await step('image.cache.prepare', () => ensureDirectory(cacheDir))
        await step('image.cache.build', () => build(entry, path, onMessage))
      })
      return path
    },
    async discard(key) {
      // One rename: whoever has files of it open keeps them, nobody finds it again.
      const bad = join(cacheDir, `.bad-${key}`)
      await step('image.cache.discard', async () => {
        await rm(bad, { recursive: true, force: true })
        await rename(join(cacheDir, key), bad).catch(ignoreMissing)
        await rm(bad, { recursive: true, force: true })
      })
    },
    async collect() {
      for (const name of (await readdir(cacheDir).catch(ignoreMissing)) ?? []) {
        const left = join(cacheDir, name)
        if (name.startsWith('.bad-')) await step('image.cache.collect', () => rm(left, { recursive: true, force: true }))
        // A build that lives holds its lock: then flock gives up and nothing is removed.
        if (!name.startsWith('.building-')) continue
        const lock = join(cacheDir, '.locks', name.slice('.building-'.length))
        await step('image.cache.collect', () => runAny(['flock', '-n', lock, 'rm', '-rf', '--one-file-system', left]))
      }
    },
  }
  return cache
}

function unavailable(imageId: string, why: string, cause?: unknown): never {
  if (cause instanceof AlcoveError) throw cause
  fail('IMAGE_UNAVAILABLE', {
    message: `The image ${imageId} could not be built on this host: ${why}. The server log has more; the next request tries again.`,
    cause,
  })
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(ignoreMissing)) !== undefined
}

function ignoreMissing(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
}
